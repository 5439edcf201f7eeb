// Notes: kept in this page's memory alone until they are saved as notes.jsonl, to be sent back.
"use strict";
(() => {
  const LONGEST_TEXT = 20_000, LONGEST_NAME = 1_000;
  const written = [];
  let unsaved = 0;
  const genes = JSON.parse(document.getElementById("gene-ids").textContent);
  const author = document.getElementById("author");
  const status = document.getElementById("notes-status");
  const save = document.getElementById("save-notes");

  // A file of notes holds no control characters but tabs and line ends.
  const clean = (text, most) => text.replace(/\r\n?/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f]/g, "")
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd").slice(0, most);

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
  }

  function anchorOf(form) {
    const chosen = form.elements.about;
    if (chosen.tagName === "SELECT") return JSON.parse(chosen.value);
    const gene = genes[chosen.value.trim().toLowerCase()];
    chosen.setCustomValidity(gene ? "" : "This is not a gene of this report.");
    chosen.reportValidity();
    return gene ? {gene, variant: null, region: null} : null;
  }

  function tell() {
    save.disabled = written.length === 0;
    save.textContent = written.length ? `Save notes (${written.length})` : "Save notes";
    status.textContent = unsaved ? "Not saved yet: save the file, and send it back."
      : written.length ? "Saved as notes.jsonl. Send that file back." : "";
  }

  // The same looks as the notes that came with the page; always text, never markup.
  function show(note, about, list) {
    const item = document.createElement("li");
    item.className = "note";
    item.dataset.id = note.id;
    const above = note.reply_to && list.querySelector(`[data-id="${note.reply_to}"]`);
    item.dataset.depth = above ? Math.min(4, Number(above.dataset.depth) + 1) : 0;
    const head = document.createElement("p");
    head.className = "note-head";
    const who = document.createElement("strong");
    who.textContent = note.author || "No name";
    head.append(who, ` · ${note.time.slice(0, 10)} · ${about}`);
    const text = document.createElement("p");
    text.className = "note-text";
    text.textContent = note.text;
    item.append(head, text, replyButton(note, about));
    if (above) above.after(item); else list.append(item);
  }

  function replyButton(note, about) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "reply";
    button.textContent = "Reply";
    Object.assign(button.dataset, {id: note.id, author: note.author, about, anchor: JSON.stringify(note.anchor)});
    return button;
  }

  function answering(form, button) {
    form.dataset.replyTo = button?.dataset.id ?? "";
    form.dataset.anchor = button?.dataset.anchor ?? "";
    form.dataset.aboutText = button?.dataset.about ?? "";
    form.querySelector(".answering").hidden = !button;
    form.querySelector(".about").hidden = Boolean(button);
    form.elements.about.disabled = Boolean(button);
    form.querySelector(".answering span").textContent = button ? `Reply to ${button.dataset.author || "the note"}` : "";
    if (button) form.elements.text.focus();
  }

  document.addEventListener("click", event => {
    const button = event.target.closest("button.reply, button.no-reply");
    if (!button) return;
    const form = button.closest(".notes").querySelector("form");
    answering(form, button.classList.contains("reply") ? button : null);
  });

  document.addEventListener("submit", event => {
    const form = event.target.closest("form.write");
    event.preventDefault();
    if (!form) return;
    const text = clean(form.elements.text.value, LONGEST_TEXT).trim();
    const replyTo = form.dataset.replyTo || null;
    const anchor = replyTo ? JSON.parse(form.dataset.anchor) : anchorOf(form);
    if (!text || !anchor) return;
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const note = {id: newId(), time, author: clean(author.value, LONGEST_NAME).replace(/[\n\t]/g, " ").trim(),
      anchor, text, reply_to: replyTo};
    const chosen = form.elements.about;
    const about = replyTo ? form.dataset.aboutText
      : chosen.tagName === "SELECT" ? chosen.selectedOptions[0].textContent : chosen.value.trim();
    written.push(note);
    unsaved += 1;
    show(note, about, form.closest(".notes").querySelector("ol"));
    form.elements.text.value = "";
    answering(form, null);
    tell();
  });

  document.addEventListener("input", event => event.target.setCustomValidity?.(""));

  save.addEventListener("click", () => {
    window.saveFile("notes.jsonl", written.map(note => JSON.stringify(note) + "\n").join(""), "application/x-ndjson");
    unsaved = 0;
    tell();
  });

  const halfWritten = () => [...document.querySelectorAll("form.write textarea")].some(box => box.value.trim());
  addEventListener("beforeunload", event => { if (unsaved || halfWritten()) event.preventDefault(); });
  tell();
})();
