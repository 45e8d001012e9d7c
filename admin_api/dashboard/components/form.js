// Forms: labelled controls, and the errors of the API beside the fields that they name.

import { html, useContext, useId, useState, createContext } from "../html.js";
import { sentence } from "../format.js";

const Errors = createContext({});

// A form that calls `send` with its values on submit, one call at a time.
export function Form({ send, submit, onCancel = null, danger = false, children }) {
  const [state, setState] = useState({ isSending: false, errors: {}, problem: "" });
  const onSubmit = async (event) => {
    event.preventDefault();
    if (state.isSending) return;
    const form = event.currentTarget;
    setState({ isSending: true, errors: {}, problem: "" });
    try {
      await send(valuesOf(form));
      setState({ isSending: false, errors: {}, problem: "" });
    } catch (error) {
      const named = (error.errors ?? []).filter(({ field }) => form.elements[field]);
      // In the form an empty field stands for `null`.
      const errors = Object.fromEntries(
        named.map(({ field, detail }) => [field, sentence(detail.replace(/, or null\b.*/, ""))]),
      );
      const isShown = named.length > 0 && named.length === error.errors.length;
      setState({ isSending: false, errors, problem: isShown ? "" : error.message });
      const first = named[0] && form.elements[named[0].field];
      first?.closest("details")?.setAttribute("open", "");
      first?.focus();
    }
  };
  return html`
    <form novalidate onSubmit=${onSubmit} aria-busy=${state.isSending ? "true" : undefined}>
      <${Errors.Provider} value=${state.errors}>${children}<//>
      <p class="problem" role="alert">${state.problem}</p>
      <div class="actions">
        ${onCancel && html`<button type="button" class="button" onClick=${onCancel}>Cancel</button>`}
        <button type="submit" class="button primary ${danger ? "danger" : ""}" disabled=${state.isSending}>
          ${submit}
        </button>
      </div>
    </form>
  `;
}

function valuesOf(form) {
  const checked = [...form.elements]
    .filter((control) => control.type === "checkbox")
    .map((control) => [control.name, control.checked]);
  return { ...Object.fromEntries(new FormData(form)), ...Object.fromEntries(checked) };
}

// A labelled control. Screen readers read `hint` with it, or the error in its place. `options` makes a select; other
// properties are those of the control.
export function Field({ label, name, hint = "", options = null, class: className = "", ...properties }) {
  const id = useId();
  const error = useContext(Errors)[name];
  const common = {
    id,
    name,
    "aria-describedby": `${id}-hint`,
    "aria-invalid": error ? "true" : undefined,
    ...properties,
  };
  return html`
    <div class="field ${error ? "invalid" : ""} ${className}">
      <label for=${id}>${label}</label>
      ${control(common, options)}
      <p class="hint" id="${id}-hint">${error ?? hint}</p>
    </div>
  `;
}

// Without `onChange`, the value is that of the beginning: what the user has typed stays when the form is drawn again.
function control({ value, ...properties }, options) {
  const given = properties.onChange ? { value } : { defaultValue: value };
  if (options) return html`<${Select} ...${properties} value=${value} options=${options} />`;
  return html`<input type="text" autocomplete="off" spellcheck=${false} ...${properties} ...${given} />`;
}

function Select({ options, value, ...properties }) {
  const given = properties.onChange ? { value } : {};
  return html`
    <select ...${properties} ...${given}>
      ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
    </select>
  `;
}

export function Checkbox({ label, name, checked = false }) {
  return html`<label class="checkbox"
    ><input type="checkbox" name=${name} defaultChecked=${checked} /> ${label}</label
  >`;
}

// A group of buttons, exactly one of which is pressed.
export function ToggleGroup({ label, options, value, onChange }) {
  return html`
    <div class="toggle-group" role="group" aria-label=${label}>
      ${options.map(([key, text]) => {
        const choose = () => onChange(key);
        const isPressed = String(key === value);
        return html`<button key=${key} type="button" aria-pressed=${isPressed} onClick=${choose}>${text}</button>`;
      })}
    </div>
  `;
}

// The filters of a list; `onClear` empties them.
export function FilterBar({ label, onClear = null, children }) {
  return html`
    <form class="filter-bar" aria-label=${label} onSubmit=${(event) => event.preventDefault()} onReset=${onClear}>
      ${children} ${onClear && html`<button type="reset" class="button">Clear</button>`}
    </form>
  `;
}

// A filter of a list: it takes effect when it is changed, and is empty for none.
export function Filter({ label, value = "", onChange, options = null, suggestions = null, ...properties }) {
  const id = useId();
  const list = suggestions ? `${id}-list` : undefined;
  const change = (event) => onChange(event.currentTarget.value.trim());
  const common = { id, value, onChange: change, ...properties };
  const text = { list, autocomplete: "off", spellcheck: false, placeholder: "any", ...common };
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${options ? html`<${Select} ...${common} options=${options} />` : html`<input type="search" ...${text} />`}
      ${
        suggestions &&
        html`<datalist id=${list}>${suggestions.map((one) => html`<option key=${one} value=${one} />`)}</datalist>`
      }
    </div>
  `;
}

// Values of a form as the API takes them.

export function asList(text) {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
  return items.length > 0 ? items : null;
}

// Texts other than whole numbers are sent unchanged: the error of the API says what is required.
export function asNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : trimmed;
}
