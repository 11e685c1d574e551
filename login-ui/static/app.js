// A form is sent once. A second click while the answer is on its way would spend a code or an attempt for nothing.
// Buttons are left as they are: a disabled button would drop its own value from what is sent.
(() => {
  "use strict";
  const patience = 10000; // milliseconds; after that the network has probably lost the first one
  let sent = new WeakMap();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const now = Date.now();
    if (now - (sent.get(form) ?? -patience) < patience) {
      event.preventDefault();
      return;
    }
    sent.set(form, now);
    form.setAttribute("aria-busy", "true");
  });

  // Shown again from the back/forward cache, the page is fresh.
  window.addEventListener("pageshow", () => {
    sent = new WeakMap();
    for (const form of document.forms) form.removeAttribute("aria-busy");
  });
})();
