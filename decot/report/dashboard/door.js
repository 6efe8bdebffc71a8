"use strict";
const KEY = "decot-token";
document.documentElement.dataset.theme = sessionStorage.getItem("decot-theme") || (matchMedia("(prefers-color-scheme:dark)").matches ? "dark" : "light");
const goIn = token => location.replace("/?token=" + encodeURIComponent(token));
const wasTried = new URLSearchParams(location.search).has("token");
const kept = sessionStorage.getItem(KEY);
if (wasTried) { sessionStorage.removeItem(KEY); history.replaceState(null, "", "/"); }
else if (kept) goIn(kept);
document.getElementById("door").addEventListener("submit", event => {
  event.preventDefault();
  goIn(document.getElementById("token").value.trim());
});
