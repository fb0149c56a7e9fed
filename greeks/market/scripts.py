"""Scripts the market page preloads."""

MODULES = (
    "js/market/address.js",
    "js/market/brush.js",
    "js/market/chain.js",
    "js/market/charts.js",
    "js/market/facts.js",
    "js/market/pickers.js",
    "js/market/series.js",
    "js/charts/time_window.js",
    "js/market/greek_chart.js",
    "js/market/greek_plot.js",
    "js/market/strike_chart.js",
    "js/charts/range_pair.js",
    "js/charts/touch_zoom.js",
    "js/charts/walked_figure.js",
    "js/charts/plotting.js",
    "js/base/live.js",
    "js/base/ages.js",
    "js/base/asking.js",
    "js/base/cells.js",
    "js/base/format.js",
)
