// Code and secrets with a button that copies them.

import { html, useState } from "../html.js";
import { toast } from "./toast.js";

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard API needs HTTPS or localhost; the deprecated command may still work.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

export function CopyButton({ text, label = "Copy", ...properties }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    if (await copyText(text)) {
      setCopied(true);
      toast("Copied to the clipboard");
      setTimeout(() => setCopied(false), 2000);
    } else {
      toast("The browser does not allow copying. Select the text and copy it manually.");
    }
  };
  return html`<button type="button" class="button small" onClick=${copy} ...${properties}>
    ${isCopied ? "Copied" : label}
  </button>`;
}

export function Secret({ text, label, id }) {
  return html`
    <div class="secret">
      <code id=${id} tabindex="0">${text}</code><${CopyButton} text=${text} label=${label} data-focus />
    </div>
  `;
}

export function CodeBlock({ text, label }) {
  return html`
    <div class="code" role="group" aria-label=${label}>
      <pre tabindex="0"><code>${text}</code></pre>
      <${CopyButton} text=${text} />
    </div>
  `;
}
