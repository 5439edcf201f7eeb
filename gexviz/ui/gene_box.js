// A box that finds genes as one types. The server searches; here is only what is shown.
// State: `query`, what is typed. Trigger: `chosen`, an id, or what was typed if Enter came before the matches did.
const WAIT = 60;

export default function (component) {
  const root = component.parentElement.querySelector(".gene-box");
  root.box ??= new Box(root);
  root.box.update(component);
}

class Box {
  constructor(root) {
    this.input = root.querySelector("input");
    this.list = root.querySelector("ul");
    this.active = 0;
    this.timer = null;
    this.input.addEventListener("focus", () => this.open());
    this.input.addEventListener("click", () => this.open());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
  }

  update(component) {
    this.component = component;
    this.data = component.data;
    this.input.placeholder = this.data.placeholder;
    if (this.isOpen()) this.draw();
    else this.input.value = this.data.current;
  }

  isOpen() {
    return this.input.getAttribute("aria-expanded") === "true";
  }

  query() {
    return this.input.value === this.data.current ? "" : this.input.value.trim();
  }

  open() {
    if (this.isOpen()) return;
    this.input.setAttribute("aria-expanded", "true");
    this.input.select();
    this.active = 0;
    this.ask();
    this.draw();
  }

  close() {
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.list.hidden = true;
    this.input.value = this.data.current;
  }

  typed() {
    if (!this.isOpen()) this.input.setAttribute("aria-expanded", "true");
    this.active = 0;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), WAIT);
  }

  ask() {
    if (this.query() !== this.data.query) this.component.setStateValue("query", this.query());
  }

  matches() {
    return this.data.query === this.query() ? this.data.matches : null;
  }

  draw() {
    const found = this.matches();
    if (found === null) return; // the answer to an earlier question; the right one is on its way
    const items = found.map((match, index) => {
      const item = document.createElement("li");
      item.id = `gene-option-${index}`;
      item.setAttribute("role", "option");
      const name = document.createElement("span");
      name.textContent = match.name;
      item.append(name);
      if (match.id !== match.name) {
        const id = document.createElement("small");
        id.textContent = match.id;
        item.append(id);
      }
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.choose(match.id);
      });
      return item;
    });
    if (!items.length) {
      const none = document.createElement("li");
      none.className = "none";
      none.textContent = "No gene like this. Enter says what is near.";
      items.push(none);
    }
    this.list.replaceChildren(...items);
    this.list.hidden = false;
    this.mark();
  }

  mark() {
    this.active = Math.min(this.active, this.list.children.length - 1);
    [...this.list.children].forEach((item, index) => {
      item.setAttribute("aria-selected", String(index === this.active));
      if (index === this.active && item.id) {
        this.input.setAttribute("aria-activedescendant", item.id);
        item.scrollIntoView({ block: "nearest" });
      }
    });
  }

  pressed(event) {
    const found = this.matches() ?? [];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.open();
      this.active = Math.max(this.active + step, 0);
      if (this.matches() !== null) this.mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const wanted = found[this.active]?.id ?? this.query();
      if (wanted && this.isOpen()) this.choose(wanted);
    } else if (event.key === "Escape") {
      this.input.blur();
    }
  }

  choose(gene) {
    clearTimeout(this.timer);
    this.component.setTriggerValue("chosen", gene);
    this.input.blur();
  }
}
