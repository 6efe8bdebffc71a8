"""How a page looks, in light, in the dark and on paper, and the few lines that let it be walked. Knows no story."""

from __future__ import annotations

LIGHT = {
    "ink": "#1b1f24", "paper": "#ffffff", "soft": "#57616b", "line": "#d9dee3", "card": "#f6f8fa",
    "good": "#00694b", "bad": "#a84300", "wait": "#7a5600", "link": "#005a8e",
}  # fmt: skip
DARK = {
    "ink": "#e6e9ec", "paper": "#15181c", "soft": "#9aa4ae", "line": "#2c333a", "card": "#1d2227",
    "good": "#3cc79a", "bad": "#ff9a5a", "wait": "#e6b450", "link": "#66b8ea",
}  # fmt: skip


def _named(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


STYLE = f"""
:root{{color-scheme:light;{_named(LIGHT)}}}
@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{_named(DARK)}}}}}
:root[data-theme=dark]{{color-scheme:dark;{_named(DARK)}}}
*{{box-sizing:border-box}}body{{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}}
main{{max-width:1080px;margin:0 auto;padding:24px 20px 80px}}h1{{font-size:1.5rem;margin:.2em 0}}
h2{{font-size:1.15rem;margin:2.2em 0 .4em;border-bottom:1px solid var(--line);padding-bottom:.2em}}
h3{{font-size:1rem;margin:1.4em 0 .3em}}p.soft,.soft{{color:var(--soft)}}a{{color:var(--link)}}
.verdict{{border-left:8px solid;border-radius:6px;background:var(--card);padding:14px 18px;margin:14px 0}}
.verdict b{{font-size:1.6rem;display:block}}.good{{border-color:var(--good)}}.good b{{color:var(--good)}}
.bad{{border-color:var(--bad)}}.bad b{{color:var(--bad)}}.wait{{border-color:var(--wait)}}.wait b{{color:var(--wait)}}
.scroll{{overflow-x:auto}}table{{border-collapse:collapse;width:100%;font-size:.9rem;margin:.6em 0}}
th,td{{padding:5px 9px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}}
th{{color:var(--soft);font-weight:600}}td.n,th.n{{text-align:right;font-variant-numeric:tabular-nums}}
tr:target{{outline:2px solid var(--link);outline-offset:-1px;background:var(--card)}}
code{{background:var(--card);padding:1px 5px;border-radius:4px}}a.said{{color:inherit;text-decoration-color:var(--line)}}
a:focus-visible,button:focus-visible,summary:focus-visible{{outline:2px solid var(--link);outline-offset:2px}}
pre{{background:var(--card);padding:10px 12px;border-radius:6px;overflow-x:auto}}summary{{cursor:pointer;color:var(--link)}}
.tall{{max-height:36rem;overflow:auto;border:1px solid var(--line);border-radius:6px}}.tall table{{margin:0}}
.tall th{{position:sticky;top:0;background:var(--paper)}}a.said span{{display:block}}a.said [lang=fr]{{color:var(--soft)}}
[data-say=en] .said [lang=fr],[data-say=fr] .said [lang=en]{{display:none}}[data-say=fr] .said [lang=fr]{{color:inherit}}
button.plain{{font:inherit;font-size:.8rem;padding:1px 9px;border-radius:6px;border:1px solid var(--line);
background:var(--card);color:var(--soft);cursor:pointer}}
main .gate{{max-width:none}}
main .gate.gate>h2{{background:none;color:inherit;border:0;padding:0;margin:.2em 0 .4em;font-size:1rem}}
main .gate.promoted>h2+dl+p{{display:none}}
@media (hover:hover){{.modebar{{opacity:0;transition:opacity .2s}}.js-plotly-plot:hover .modebar{{opacity:1}}}}
.pair{{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:0 14px}}
ul.caveats li{{margin:.3em 0}}nav a{{margin-right:14px}}
#theme{{position:fixed;top:10px;right:12px;z-index:9;font:inherit;font-size:.8rem;padding:3px 10px;border-radius:6px;
border:1px solid var(--line);background:var(--card);color:var(--soft);cursor:pointer}}
@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{color-scheme:light;{_named(LIGHT)}}}
nav,#theme,#say,.modebar{{display:none!important}}.tall{{max-height:none;border:0}}main{{max-width:none;padding:0}}h2,h3{{break-after:avoid}}
tr,.js-plotly-plot,.verdict{{break-inside:avoid}}table{{font-size:.78rem}}.scroll{{overflow:visible}}}}
"""

SCRIPT = """
(() => {
  const root = document.documentElement, dark = matchMedia('(prefers-color-scheme: dark)');
  document.getElementById('theme').addEventListener('click', () => {
    const now = root.dataset.theme || (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
  });
  const say = document.getElementById('say'), languages = ['en', 'fr', ''];
  if (say) {
    root.dataset.say = 'en';
    say.addEventListener('click', () => {
      root.dataset.say = languages[(languages.indexOf(root.dataset.say) + 1) % languages.length];
    });
  }
  const open = () => {
    const at = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = at && at.closest('details');
    if (folded) folded.open = true;
    if (at) at.scrollIntoView({block: 'center'});
  };
  addEventListener('hashchange', open);
  open();
  const plots = () => document.querySelectorAll('.js-plotly-plot');
  plots().forEach(plot => plot.on('plotly_click', event => {
    const said = event.points[0].customdata;
    if (typeof said === 'string' && said[0] === '#') location.hash = said;
  }));
  const width = px => plots().forEach(plot => Plotly.relayout(plot, px ? {width: px} : {width: null, autosize: true}));
  addEventListener('beforeprint', () => { document.querySelectorAll('details').forEach(d => d.open = true); width(680); });
  addEventListener('afterprint', () => width(0));
})();
"""
