// Tells how many pixels wide the cell is, now and whenever that changes by more than a scroll bar.
export default {
  render({ model, el }) {
    const seen = new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width > 0 && Math.abs(width - model.get("width")) > 24) {
        model.set("width", width);
        model.save_changes();
      }
    });
    seen.observe(el);
    return () => seen.disconnect();
  },
};
