// A button that copies a link to what is looked at. The server says which parameters go into it.
const SHOWN_FOR = 2000;

export default function (component) {
  const button = component.parentElement.querySelector(".copy-link");
  button.onclick = () => copy(button, address(component.data.query));
}

function address(query) {
  const url = new URL(window.location.pathname, window.location.origin);
  url.search = new URLSearchParams(query).toString();
  return url.href;
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed, or no secure context: the browser's older way
    if (!copiedByHand(button, text)) return;
  }
  say(button, "Copied");
}

// Leaves the link to be copied by the reader where the browser does not copy.
function copiedByHand(button, text) {
  button.nextElementSibling?.remove();
  const box = document.createElement("textarea");
  box.readOnly = true;
  box.value = text;
  box.setAttribute("aria-label", "Link");
  button.after(box);
  box.select();
  const copied = document.execCommand("copy");
  if (copied) box.remove();
  return copied;
}

function say(button, text) {
  const label = button.querySelector("span");
  label.textContent = text;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { label.textContent = "Copy link"; }, SHOWN_FOR);
}
