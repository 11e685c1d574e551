// What the pages gain from script. Everything else works without it; what only script can do is hidden until it has
// been made to work here. Nothing in this file turns text into markup or code.
(() => {
  "use strict";
  const find = (selector, root = document) => root.querySelector(selector);
  const each = (selector, act, root = document) => root.querySelectorAll(selector).forEach(act);
  const show = (element, on = true) => { if (element) element.hidden = !on; };

  // post sends fields as a form of ours would.
  const post = (path, fields) => fetch(path, {
    method: "POST", body: new URLSearchParams(fields), credentials: "same-origin", redirect: "error",
    headers: { Accept: "application/json" },
  });

  // A form is sent once. A second click while the answer is on its way would spend a code or an attempt for nothing.
  // Buttons are left as they are: a disabled button would drop its own value from what is sent.
  const patience = 10000; // milliseconds; after that the network has probably lost the first one
  let sent = new WeakMap();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return; // somebody else sends it
    if (form.dataset.passkey) {
      event.preventDefault();
      usePasskey(form);
      return;
    }
    if ("repeat" in form.dataset) return; // a download leaves the page where it is
    const now = Date.now();
    if (now - (sent.get(form) ?? -patience) < patience) {
      event.preventDefault();
      return;
    }
    sent.set(form, now);
    form.setAttribute("aria-busy", "true");
  });

  // Shown again from the back/forward cache, the page is fresh.
  window.addEventListener("pageshow", (event) => {
    sent = new WeakMap();
    for (const form of document.forms) form.removeAttribute("aria-busy");
    if (event.persisted) offerPasskeys();
  });

  // Passkeys (Web Authentication Level 3). JSON goes in and out as the browser's own methods write it.
  const passkeys = window.PublicKeyCredential;
  const supported = Boolean(passkeys?.parseRequestOptionsFromJSON && passkeys.parseCreationOptionsFromJSON && passkeys.prototype.toJSON);
  const fresh = 240000; // milliseconds; a challenge is good for five minutes
  let conditional; // the request behind the User ID field's autofill, which waits until it is aborted
  let offered = 0; // when its challenge was fetched

  // options fetches a new challenge for form.
  const options = async (form) => {
    const answer = await post(form.dataset.options, [...new FormData(form)].filter(([name]) => name === "ix" || name === "form_token"));
    if (!answer.ok) throw new Error("no options");
    const { publicKey } = await answer.json();
    return form.dataset.passkey === "create"
      ? { publicKey: passkeys.parseCreationOptionsFromJSON(publicKey) }
      : { publicKey: passkeys.parseRequestOptionsFromJSON(publicKey) };
  };

  const sendPasskey = (form, credential) => {
    each("[data-copy]", (field) => { field.value = find("#" + field.dataset.copy)?.checked ? "1" : ""; }, form);
    find("[name=credential]", form).value = JSON.stringify(credential.toJSON());
    form.setAttribute("aria-busy", "true");
    form.submit(); // not requestSubmit: that would begin again
  };

  const usePasskey = async (form) => {
    if (form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    each("[role=alert]", (text) => show(text, false), form);
    conditional?.abort();
    try {
      const request = await options(form);
      const create = form.dataset.passkey === "create";
      const credential = await (create ? navigator.credentials.create(request) : navigator.credentials.get(request));
      sendPasskey(form, credential);
    } catch (err) {
      form.removeAttribute("aria-busy");
      const exists = err.name === "InvalidStateError" && find("[data-exists]", form);
      // Who closes the browser's window knows that they did.
      if (err.name !== "NotAllowedError" && err.name !== "AbortError") show(exists || find("[data-failed]", form));
      offerPasskeys();
    }
  };

  // offerPasskeys lets the browser suggest passkeys in the User ID field.
  const offerPasskeys = async () => {
    const form = find("form[data-passkey=get]");
    if (!supported || !form || !find("input[autocomplete~=webauthn]")) return;
    conditional?.abort();
    const mine = conditional = new AbortController();
    offered = Date.now();
    try {
      if (!await passkeys.isConditionalMediationAvailable?.()) return;
      const request = await options(form);
      if (mine.signal.aborted) return;
      setTimeout(() => { if (!mine.signal.aborted) offerPasskeys(); }, 240000); // the challenge is good for five minutes
      const credential = await navigator.credentials.get({ ...request, mediation: "conditional", signal: mine.signal });
      if (credential) sendPasskey(form, credential);
    } catch {
      // Autofill was only an offer: the button and the password are still there.
    }
  };

  const renewOffer = () => {
    if (conditional && !conditional.signal.aborted && !document.hidden && Date.now() - offered > fresh) offerPasskeys();
  };

  // Signals keep password managers from offering passkeys that we do not know, or no longer know.
  const signal = async ({ signalAccepted, rpId, userHandle, credentials }) => {
    const ids = credentials.split(" ").filter(Boolean);
    try {
      if (signalAccepted !== undefined) {
        await passkeys.signalAllAcceptedCredentials({ rpId, userId: userHandle, allAcceptedCredentialIds: ids });
      } else {
        for (const credentialId of ids) await passkeys.signalUnknownCredential({ rpId, credentialId });
      }
    } catch {
      // Nobody waits for it: not every browser or manager listens.
    }
  };

  each("form[data-passkey]", (form) => supported ? show(form) : form.remove());
  each("[data-noscript]", (text) => show(text, false));
  each("[data-unsupported]", (text) => show(text));
  each(".need", (note) => { // says that passkeys do not work, and why
    show(note, !supported);
    note.toggleAttribute("data-on", !supported);
  });
  each("[data-signal-accepted], [data-signal-unknown]", (element) => signal(element.dataset));
  offerPasskeys();
  document.addEventListener("visibilitychange", renewOffer);
  setInterval(renewOffer, 20000);

  // Where a new password can be shown, it need not be typed twice: the second field is filled in and out of sight.
  each("input[data-reveal]", (input) => {
    const { reveal, show: showing, hide: hiding } = input.dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet reveal";
    button.textContent = showing;
    button.setAttribute("aria-controls", input.id);
    button.addEventListener("click", () => {
      const on = input.type === "password";
      input.type = on ? "text" : "password";
      button.textContent = on ? hiding : showing;
    });
    input.after(button);
    const second = document.getElementById(reveal);
    if (!second) return;
    second.type = "hidden";
    show(second.closest(".field"), false);
    input.form.addEventListener("submit", () => {
      input.type = "password"; // or the browser would keep it among the things once typed
      second.value = input.value;
    });
  });

  each("[data-print]", (element) => {
    show(element);
    element.addEventListener("click", () => window.print());
  });

  // In the security centre, a minute of warning before the session ends. Clocks are compared, because a tab that sleeps
  // counts no ticks; tabs tell each other, because any of them keeps the session alive.
  const idle = find("[data-idle-seconds]");
  const dialog = find("#idle-dialog");
  if (idle && dialog?.showModal) {
    const length = idle.dataset.idleSeconds * 1000;
    const tabs = new BroadcastChannel("idle");
    let end;
    const restart = () => {
      end = Date.now() + length;
      if (dialog.open) dialog.close();
    };
    const look = () => {
      const left = end - Date.now();
      if (left <= 0) location.assign("/timeout");
      else if (left <= 60000 && !dialog.open) dialog.showModal();
    };
    const form = find("form", dialog);
    const stay = async (event) => {
      event.preventDefault();
      const answer = await post(form.action, new FormData(form)).catch(() => null);
      if (!answer) return; // no connection: the question stays
      if (!answer.ok) return location.assign("/timeout");
      restart();
      tabs.postMessage("alive");
    };
    dialog.addEventListener("cancel", stay);
    form.addEventListener("submit", stay);
    tabs.addEventListener("message", restart);
    document.addEventListener("visibilitychange", look);
    restart();
    tabs.postMessage("alive");
    setInterval(look, 5000);
  }
})();
