// A short message at the bottom of the page, announced by screen readers.

const box = document.getElementById("toast");
let timer = 0;

export function toast(message) {
  // Elements outside an open modal dialog are hidden and not announced.
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.textContent = message;
  box.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => box.classList.remove("shown"), 4000);
}

// Keeps the message when the dialog that it is in is removed.
export function keepToast() {
  document.body.append(box);
}
