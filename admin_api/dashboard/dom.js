// Elements and controls. Texts only become text nodes, so a name such as "<script>" is never parsed as HTML.

export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let lastId = 0;

export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// A labelled control. Screen readers read `hint` with it, or the error that `setError` shows in its place.
export function field(label, control, hint = "") {
  const id = control.id || uniqueId("field");
  control.id = id;
  const description = el("p", { class: "hint", id: `${id}-description` }, hint);
  control.setAttribute("aria-describedby", description.id);
  const box = el("div", { class: "field" }, el("label", { for: id }, label), control, description);
  box.setError = (message) => {
    description.textContent = message || hint;
    box.classList.toggle("invalid", Boolean(message));
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  box.control = control;
  return box;
}

export function select(options, value, properties = {}) {
  return el(
    "select",
    properties,
    options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)),
  );
}

// A group of buttons, exactly one of which is pressed.
export function toggleGroup(label, options, value, onChange) {
  const buttons = options.map(([key, text]) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": key === value ? "true" : "false",
        onclick: (event) => {
          for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
          onChange(key);
        },
      },
      text,
    ),
  );
  return el("div", { class: "toggle-group", role: "group", "aria-label": label }, buttons);
}

let toastTimer = 0;

export function toast(message) {
  const box = document.getElementById("toast");
  // Elements outside an open modal dialog are hidden and not announced by screen readers.
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.textContent = message;
  box.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove("shown"), 4000);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard API needs HTTPS or localhost; the deprecated command may still work.
    const area = el("textarea", { readonly: true, class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "button small" }, label);
  button.addEventListener("click", async () => {
    if (await copyText(text)) {
      button.textContent = "Copied";
      toast("Copied to the clipboard");
      setTimeout(() => (button.textContent = label), 2000);
    } else {
      toast("The browser does not allow copying. Select the text and copy it manually.");
    }
  });
  return button;
}

// Code with a copy button.
export function codeBlock(text, label) {
  return el(
    "div",
    { class: "code", role: "group", "aria-label": label },
    el("pre", { tabindex: "0" }, el("code", {}, text)),
    copyButton(text),
  );
}

// A modal dialog. With `persistent`, Escape does not close it: its content is not shown again.
export function openDialog(title, content, { persistent = false, wide = false } = {}) {
  const heading = el("h2", { id: uniqueId("title") }, title);
  const dialog = el("dialog", { "aria-labelledby": heading.id, class: wide ? "wide" : "" }, heading, content);
  const opener = document.activeElement;
  dialog.addEventListener("cancel", (event) => {
    if (persistent) event.preventDefault();
  });
  dialog.addEventListener("keydown", (event) => {
    if (persistent && event.key === "Escape") event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    document.body.append(document.getElementById("toast"));
    dialog.remove();
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// A form that calls `send` on submit, one call at a time, and shows the errors of the API next to the fields.
export function form(fields, { submit, send, layout = Object.values(fields), cancel = null }) {
  const problem = el("p", { class: "problem", role: "alert" });
  const button = el("button", { type: "submit", class: "button primary" }, submit);
  const element = el(
    "form",
    { novalidate: true },
    layout,
    problem,
    el(
      "div",
      { class: "actions" },
      cancel && el("button", { type: "button", class: "button", onclick: cancel }, "Cancel"),
      button,
    ),
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    problem.textContent = "";
    for (const box of Object.values(fields)) box.setError("");
    button.disabled = true;
    element.setAttribute("aria-busy", "true");
    try {
      await send();
    } catch (error) {
      showProblem(error, fields, problem);
    } finally {
      button.disabled = false;
      element.removeAttribute("aria-busy");
    }
  });
  return element;
}

function showProblem(error, fields, summary) {
  const errors = error.errors ?? [];
  const shown = errors.filter(({ field: name }) => fields[name]);
  for (const { field: name, detail } of shown) {
    // In the form an empty field stands for `null`.
    const text = detail.replace(/, or null\b.*/, "");
    fields[name].setError(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
    fields[name].closest("details")?.setAttribute("open", "");
  }
  if (shown.length === 0 || shown.length < errors.length) summary.textContent = error.message;
  else fields[shown[0].field].control.focus();
}
