// Before anything is drawn: the theme that somebody chose in an earlier report, where the browser keeps such things.
try {
  const chosen = localStorage.getItem("antiphon-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* it does not, and the system's theme is shown */ }
