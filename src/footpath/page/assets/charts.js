/* Draws the charts of a page: plain data in, ECharts options with functions, colours and formats out. */
(function () {
  "use strict";
  const page = JSON.parse(document.getElementById("footpath-data").textContent);
  const zh = page.lang === "zh";
  const drawn = {};
  const PAPER = 660; /* about the width of a sheet between its margins, in pixels */

  const light = {
    ink: "#24292b", soft: "#5d676a", line: "#dcdcd5", paper: "#ffffff", faint: "#eef0ec",
    series: ["#2b6e62", "#c2732a", "#4a69a5", "#a3445a", "#74782f", "#6a5794", "#2f8a9b", "#8b6743"], rest: "#a7ada9",
    ramp: ["#f3f5f0", "#b9d5c9", "#66a391", "#2b6e62", "#123f39"], diverging: ["#a3445a", "#e3b9bf", "#f5f4f0", "#a9cdc2", "#1f5f54"],
  };
  const dark = {
    ink: "#e7e5df", soft: "#a3aaa9", line: "#3a4042", paper: "#1d2122", faint: "#262b2c",
    series: ["#6fbfae", "#e6a362", "#8fabe6", "#e08ba0", "#bcc06b", "#b3a0de", "#70c5d6", "#cfaa82"], rest: "#6d7574",
    ramp: ["#252b2b", "#2d4f49", "#3f8073", "#6fbfae", "#c8efe4"], diverging: ["#e08ba0", "#7a4a55", "#2a2f30", "#3b6f65", "#6fbfae"],
  };

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function esc(text) {
    return String(text).replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
  }
  function name(text) {
    return "<bdi>" + esc(text) + "</bdi>";
  }
  function group(value, digits) {
    return value.toLocaleString("en-US", { maximumFractionDigits: digits });
  }
  function show(value, format, short) {
    if (value === null || value === undefined || value === "-" || (typeof value === "number" && !isFinite(value))) return "–";
    if (typeof value !== "number") return String(value);
    if (format === "share") {
      if (short && value !== 0 && Math.abs(value) < 0.001) return value > 0 ? "<0.1%" : "–0.1%";
      const cent = 100 * value;
      if (short === "cell" && cent !== 0 && Math.abs(cent) < 9.95) return cent.toFixed(1) + "%"; /* cells beside one another have the same digits */
      return group(cent, Math.abs(cent) >= 10 && short ? 0 : Math.abs(cent) >= 0.1 || cent === 0 ? 1 : 3) + "%";
    }
    if (format === "seconds") {
      const units = zh ? ["秒", "分钟", "小时", "天"] : ["s", "min", "h", "days"];
      const size = Math.abs(value);
      const [by, unit] = size < 90 ? [1, 0] : size < 5400 ? [60, 1] : size < 172800 ? [3600, 2] : [86400, 3];
      return group(value / by, 1) + " " + units[unit];
    }
    if (short && Math.abs(value) >= 1e9) return group(value / 1e9, 1) + "B";
    if (short && Math.abs(value) >= 1e6) return group(value / 1e6, 1) + "M";
    if (short && Math.abs(value) >= 1e4) return group(value / 1e3, 1) + "k";
    if (Number.isInteger(value)) return group(value, 0);
    return Math.abs(value) >= 1000 ? group(value, 0) : String(parseFloat(value.toPrecision(3)));
  }
  function wide(text) { /* about how wide a text of 12 px is */
    let size = 0;
    for (const c of String(text)) size += c.codePointAt(0) > 0x2e7f ? 12 : 6.6;
    return size;
  }
  function cut(text, size) {
    text = String(text);
    if (wide(text) <= size) return text;
    let kept = "";
    for (const c of text) {
      if (wide(kept + c) > size - 10) break;
      kept += c;
    }
    return kept + "…";
  }
  function folded(text, size) { /* over as many lines as it needs */
    const done = [];
    let line = "";
    for (const word of String(text).split(/(?<=\s)|(?=[\u4e00-\u9fff])/)) {
      if (line && wide(line + word.trimEnd()) > size) { done.push(line.trimEnd()); line = ""; }
      line += word;
    }
    return done.concat(line).join("\n");
  }
  function room(narrow) { /* for the names at the side of a chart, in pixels */
    return narrow ? 112 : 220;
  }
  function lines(names, narrow) { /* how many lines the longest of them takes, at most three */
    return Math.min(3, Math.max(1, ...(names || []).map((n) => Math.ceil((wide(n) * 1.08) / room(narrow)))));
  }
  function luminance(hex) {
    const part = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4)));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  }
  function mixed(ramp, share) { /* the colour at a place of a ramp, 0 to 1 */
    const at = Math.max(0, Math.min(1, share)) * (ramp.length - 1), i = Math.min(ramp.length - 2, Math.floor(at));
    const mix = [1, 3, 5].map((k) => Math.round(parseInt(ramp[i].slice(k, k + 2), 16) * (1 - at + i) + parseInt(ramp[i + 1].slice(k, k + 2), 16) * (at - i)));
    return "#" + mix.map((c) => c.toString(16).padStart(2, "0")).join("");
  }
  function readable(hex) { /* black or white, whichever stands out more */
    const l = luminance(hex);
    return (l + 0.05) / 0.05 > 1.05 / (l + 0.05) ? "#000000" : "#ffffff";
  }
  function instant(value) { /* a time without a zone is UTC */
    if (typeof value !== "string") return value;
    const text = value.length <= 10 ? value + "T00:00:00Z" : /(Z|[+-]\d\d:?\d\d)$/.test(value) ? value : value.replace(" ", "T") + "Z";
    const at = Date.parse(text);
    return isNaN(at) ? value : at;
  }
  function moment(at) {
    const text = new Date(at).toISOString();
    return text.slice(11, 16) === "00:00" ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
  }

  /* a dot with whiskers; rows of several series stand beside one another */
  function interval(horizontal, place, of, colour) {
    return function (params, api) {
      const at = api.value(0), value = api.value(1), low = api.value(2), high = api.value(3);
      if (value === null || isNaN(value)) return null;
      const point = (v) => api.coord(horizontal ? [v, at] : [at, v]);
      const band = api.size(horizontal ? [0, 1] : [1, 0])[horizontal ? 1 : 0];
      const shift = (place - (of - 1) / 2) * Math.min(14, (band * 0.7) / of);
      const move = (p) => (horizontal ? [p[0], p[1] + shift] : [p[0] + shift, p[1]]);
      const centre = move(point(value));
      const children = [{ type: "circle", shape: { cx: centre[0], cy: centre[1], r: 4.5 }, style: { fill: colour } }];
      if (low !== null && high !== null && !isNaN(low) && !isNaN(high)) {
        const a = move(point(low)), b = move(point(high)), c = 4;
        const whisker = (p, q) => ({ type: "line", shape: { x1: p[0], y1: p[1], x2: q[0], y2: q[1] }, style: { stroke: colour, lineWidth: 1.6 } });
        const cap = (p) => (horizontal ? whisker([p[0], p[1] - c], [p[0], p[1] + c]) : whisker([p[0] - c, p[1]], [p[0] + c, p[1]]));
        children.unshift(whisker(a, b), cap(a), cap(b));
      }
      return { type: "group", children: children };
    };
  }
  /* the shade between low and high, broken where either is missing */
  function band(rows, colour) {
    return function (params, api) {
      if (params.dataIndexInside !== 0) return null;
      const runs = [];
      let run = [];
      for (const row of rows.concat([[null, null, null]])) {
        if (row[1] === null || row[2] === null || row[1] === undefined || row[2] === undefined) {
          if (run.length) runs.push(run);
          run = [];
        } else run.push(row);
      }
      return {
        type: "group",
        silent: true,
        children: runs.map((part) => ({
          type: "polygon",
          shape: { points: part.map((r) => api.coord([r[0], r[2]])).concat(part.map((r) => api.coord([r[0], r[1]])).reverse()) },
          style: { fill: colour, opacity: 0.16 },
        })),
      };
    };
  }

  const rest = /^[(（]/; /* what stands for many, such as (other) and (ended), is grey */
  function tone(t, label, place) {
    return rest.test(label) ? t.rest : t.series[place % t.series.length];
  }
  function tallest(flow) { /* nodes in the fullest column of a Sankey */
    const depth = {};
    flow.data.forEach((n) => (depth[n.name] = 0));
    for (let round = 0, moved = true; moved && round < 60; round++) {
      moved = false;
      flow.links.forEach((l) => {
        if (depth[l.target] < depth[l.source] + 1) { depth[l.target] = depth[l.source] + 1; moved = true; }
      });
    }
    const columns = {};
    Object.values(depth).forEach((d) => (columns[d] = (columns[d] || 0) + 1));
    return Math.max(1, ...Object.values(columns));
  }

  function axis(given, t, side, narrow) {
    const vertical = side === "y";
    const made = Object.assign({}, given);
    const format = given.format;
    delete made.format;
    made.axisLine = { show: given.type !== "value", lineStyle: { color: t.line } };
    made.axisTick = { show: false };
    made.splitLine = { show: given.type === "value" || given.type === "log", lineStyle: { color: t.line, type: [2, 4] } };
    made.axisLabel = { color: t.soft, fontSize: 12, hideOverlap: true };
    if (given.type === "category") {
      const long = (given.data || []).some((d) => wide(d) > 80);
      if (vertical) {
        const of = lines(given.data, narrow);
        Object.assign(made.axisLabel, { width: Math.min(room(narrow), 6 + Math.max(20, ...(given.data || []).map((d) => 1.12 * wide(d)))), overflow: "break", lineHeight: 14, formatter: (v) => cut(v, room(narrow) * of * 0.92) });
      } else Object.assign(made.axisLabel, { width: 90, overflow: "truncate", ellipsis: "…" });
      if (!vertical && long && (given.data || []).length > 4) Object.assign(made.axisLabel, { rotate: 30, width: 120 });
      if (vertical && (given.data || []).length <= 40) made.axisLabel.interval = 0;
      made.data = (given.data || []).map((d) => (d === null ? "–" : String(d)));
    }
    if (given.type === "value" || given.type === "log") {
      made.axisLabel.formatter = (v) => show(v, format, true);
      if (narrow) made.splitNumber = vertical ? 4 : 3;
      if (given.type === "log" && format === "seconds") { /* people count time in units, not in powers of ten */
        const units = zh ? { 1: "1 秒", 60: "1 分钟", 600: "10 分钟", 3600: "1 小时", 86400: "1 天", 864e3: "10 天", 864e4: "100 天", 864e5: "1,000 天" }
          : { 1: "1 s", 60: "1 min", 600: "10 min", 3600: "1 hour", 86400: "1 day", 864e3: "10 days", 864e4: "100 days", 864e5: "1,000 days" };
        const marks = Object.keys(units).map(Number).filter((v) => !narrow || [60, 3600, 86400, 864e4].includes(v));
        Object.assign(made, { max: "dataMax", axisTick: { show: true, customValues: marks, lineStyle: { color: t.line } }, splitLine: { show: false } });
        Object.assign(made.axisLabel, { customValues: marks, formatter: (v) => units[Math.round(v)] || "" });
      }
    }
    if (given.type === "time") {
      made.splitNumber = narrow ? 3 : 7;
      made.minInterval = 864e5;
      made.axisLabel.formatter = (v) => moment(v).slice(narrow ? 5 : 0, 10);
    }
    if (given.name) {
      made.nameTextStyle = { color: t.soft, fontSize: 12 };
      if (vertical) Object.assign(made, { nameLocation: given.inverse ? "start" : "end", nameGap: 12, nameTextStyle: { color: t.soft, fontSize: 12, align: "left", padding: [0, 0, 0, -40] } });
      else Object.assign(made, { nameLocation: "middle", nameGap: 26 });
    }
    return made;
  }

  function widen(axis_, data, texts, plot) { /* room for what stands at the ends of bars, in a plot of so many pixels */
    const needed = (sign) => Math.max(0, ...data.map((v, i) => (typeof v === "number" && sign * v > 0 ? wide(texts[i]) + 14 : 0)));
    const left = needed(-1), right = needed(1), free = Math.max(60, plot - left - right);
    axis_.boundaryGap = [(100 * left) / free + "%", (100 * right) / free + "%"];
  }
  function whole(axis_, values, narrow) { /* shares that come near all are shown up to all */
    const known = values.filter((v) => typeof v === "number");
    const top = Math.max(...known), bottom = Math.min(...known);
    if (known.length && top > 0.8 && top <= 1 && bottom >= 0) Object.assign(axis_, { min: 0, max: 1, interval: narrow ? 0.25 : 0.2 });
  }

  const BARS = 46; /* how high the bars below a reliability diagram are, in pixels */

  /* what was said against what happened, in a square, and below it the rows behind each dot, at the same places */
  function reliability(spec, made, t, width, named, colours) {
    const narrow = width < 520, many = named.length > 1, top = spec.top || 1, root = spec.scale === "root", left = 54, right = 18, above = many ? 56 : 32;
    const to = (v) => (root ? Math.sqrt(Math.max(0, v)) : v), from = (v) => (root ? Math.round(1e7 * v * v) / 1e7 : v);
    const side = height(spec, width) - above - BARS - 84, steps = [0, 0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
    const even = top > 0.5 ? 0.2 : top > 0.2 ? 0.1 : top > 0.1 ? 0.05 : top > 0.04 ? 0.02 : top > 0.02 ? 0.01 : 0.005;
    const marks = (root ? steps : Array.from({ length: 60 }, (_, i) => Math.round(1e6 * i * even) / 1e6)).filter((v) => v <= top * 1.0001);
    const kept = [];
    for (const v of marks) if (!kept.length || ((to(v) - to(kept[kept.length - 1])) / to(top)) * Math.min(side, width - left - right) > 36) kept.push(v);
    const ends = { min: 0, max: to(top) }, none = { show: false };
    const label = { customValues: kept.map(to), formatter: (v) => show(from(v), "share", true) };
    const across = axis(Object.assign({}, spec.xAxis, ends), t, "x", narrow), up = axis(Object.assign({}, spec.yAxis, ends), t, "y", narrow);
    for (const one of [across, up]) Object.assign(one, { axisLine: none, splitLine: none, axisLabel: Object.assign({}, one.axisLabel, label) });
    const most = Math.max(1, ...spec.series.flatMap((s) => s.data.map((r) => r[4])));
    const count = axis({ type: "value", format: "count", min: 0, max: most, interval: most, name: spec.n_name }, t, "y", narrow);
    made.grid = [
      { left: left, right: right, top: above, bottom: BARS + 84 },
      { left: left, right: right, height: BARS, bottom: 46 },
    ];
    made.grid.forEach((g) => (g.outerBoundsMode = "none"));
    made.xAxis = [
      Object.assign({}, across, { name: "", gridIndex: 0, axisLabel: none }),
      Object.assign({}, across, { gridIndex: 1 }),
    ];
    made.yAxis = [Object.assign(up, { gridIndex: 0, nameGap: 10 }), Object.assign(count, { gridIndex: 1, nameGap: 11, axisLine: none, splitLine: none })];
    if (many) made.legend = { top: 0, left: 0, data: named, icon: "roundRect", itemWidth: 12, itemHeight: 8, textStyle: { color: t.ink, fontSize: 12.5 }, itemGap: 10 };
    const line = (p, q, style) => ({ type: "line", shape: { x1: p[0], y1: p[1], x2: q[0], y2: q[1] }, style: style });
    made.series = [{
      type: "custom", data: [[0, 0]], silent: true, z: 0, tooltip: { show: false },
      renderItem: (params, api) => {
        const end = to(top), thin = { stroke: t.line, lineWidth: 1, lineDash: [2, 4] };
        const mesh = kept.map(to).flatMap((v) => [line(api.coord([v, 0]), api.coord([v, end]), thin), line(api.coord([0, v]), api.coord([end, v]), thin)]);
        return { type: "group", children: mesh.concat(line(api.coord([0, 0]), api.coord([end, end]), { stroke: t.soft, lineWidth: 1.2, lineDash: [5, 4] })) };
      },
    }];
    spec.series.forEach((s, place) => {
      const colour = colours[s.name] || t.series[0], shift = (place - (spec.series.length - 1) / 2) * 5;
      const dot = (params, api) => {
        const row = s.data[params.dataIndex], next = s.data[params.dataIndex + 1], spot = (x, y) => api.coord([to(x), to(y)]);
        const at = spot(row[0], row[1]), children = [line(spot(row[0], row[2]), spot(row[0], row[3]), { stroke: colour, lineWidth: 1.5, opacity: 0.75 })];
        if (next) children.push(line(at, spot(next[0], next[1]), { stroke: colour, lineWidth: 1.2, opacity: 0.45 }));
        children.push({ type: "circle", shape: { cx: at[0], cy: at[1], r: 4 }, style: { fill: colour } });
        return { type: "group", children: children };
      };
      const bar = (params, api) => {
        const row = s.data[params.dataIndex], tip = api.coord([to(row[0]), row[4]]), foot = api.coord([to(row[0]), 0]);
        return { type: "rect", shape: { x: tip[0] - 2 + shift, y: tip[1], width: 4, height: foot[1] - tip[1] }, style: { fill: colour, opacity: 0.8 } };
      };
      const mine = { type: "custom", name: s.name, data: s.data, itemStyle: { color: colour } };
      made.series.push(Object.assign({ renderItem: dot, clip: true, z: 3, encode: { x: 0, y: [1, 2, 3] } }, mine));
      made.series.push(Object.assign({ renderItem: bar, xAxisIndex: 1, yAxisIndex: 1, encode: { x: 0, y: 4 } }, mine));
    });
    made.tooltip.formatter = (p) => (many ? name(p.seriesName) + "<br>" : "") + esc(spec.xAxis.name) + ": " + esc(show(p.value[0], "share")) + "<br>" + esc(spec.yAxis.name) + ": <b>" + esc(show(p.value[1], "share")) +
      "</b> [" + esc(show(p.value[2], "share")) + ", " + esc(show(p.value[3], "share")) + "]<br>" + esc(spec.n_name) + ": " + esc(show(p.value[4], "count"));
    return made;
  }

  function option(spec, t, width, alternative) {
    const narrow = width < 520;
    const series = spec.series || [];
    const first = series[0] || {};
    const kind = first.renderItem || first.type;
    const made = {
      useUTC: true,
      animation: false,
      color: t.series,
      backgroundColor: "transparent",
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: t.ink },
      aria: { enabled: true, label: { description: alternative } },
      tooltip: { confine: true, backgroundColor: t.paper, borderColor: t.line, textStyle: { color: t.ink, fontSize: 12.5 }, extraCssText: "max-width:22rem;white-space:normal" },
    };
    const named = [...new Set(series.filter((s) => s.renderItem !== "band" && s.name !== undefined && s.name !== "").map((s) => String(s.name)))];
    const colours = {};
    named.forEach((n, i) => (colours[n] = t.series[i % t.series.length]));

    if (kind === "sankey") {
      const labels = {}, tones = {};
      first.data.forEach((n) => (labels[n.name] = n.label === undefined ? n.name : n.label));
      [...new Set(Object.values(labels))].forEach((l, i) => (tones[l] = tone(t, l, i)));
      const nodes = first.data.map((n) => Object.assign({}, n, { label: undefined, itemStyle: { color: tones[labels[n.name]], borderWidth: 0 } }));
      const flow = {};
      first.links.forEach((l) => {
        flow["<" + l.source] = (flow["<" + l.source] || 0) + l.value;
        flow[">" + l.target] = (flow[">" + l.target] || 0) + l.value;
      });
      const size = (n) => Math.max(flow["<" + n.name] || 0, flow[">" + n.name] || 0), most = Math.max(...first.data.map(size));
      if (narrow) nodes.forEach((n) => { if (size(n) < 0.12 * most) n.label = { fontSize: 9.5 }; }); /* low: the gap between nodes has to hold the text */
      made.series = [{
        type: "sankey", data: nodes, links: first.links, left: 4, right: narrow ? 52 : 130, top: 10, bottom: 20, nodeWidth: narrow ? 8 : 12, nodeGap: 15, nodeAlign: "left",
        draggable: false, emphasis: { focus: "adjacency" }, lineStyle: { color: "source", opacity: t === dark ? 0.34 : 0.26, curveness: 0.5 },
        label: { color: t.ink, fontSize: narrow ? 10 : 12, distance: narrow ? 2 : 5, width: narrow ? 54 : 120, overflow: "truncate", formatter: (p) => String(labels[p.name]) },
      }];
      made.tooltip.formatter = (p) => p.dataType === "edge"
        ? name(labels[p.data.source]) + " → " + name(labels[p.data.target]) + "<br><b>" + esc(show(p.data.value, "count")) + "</b>"
        : name(labels[p.name]) + "<br><b>" + esc(show(p.value, "count")) + "</b>";
      return made;
    }
    if (kind === "graph") {
      const top = Math.max(1, ...first.data.map((n) => n.value || 0));
      const widest = Math.max(1e-9, ...first.links.map((l) => l.value || 0));
      const called = {}, again = {}, places = {}, tones = {}, nodes = [], loops = [];
      first.links.forEach((l) => { if (l.source === l.target) again[l.source] = l; });
      const many = Math.max(1, first.data.length), tall = height(spec, width), reach = Math.min(width * (narrow ? 0.52 : 0.6), tall - 150) / 2;
      first.data.forEach((n, i) => {
        const turn = (2 * Math.PI * i) / many - Math.PI / 2, side = Math.cos(turn), up = Math.sin(turn), size = 10 + 28 * Math.sqrt((n.value || 0) / top);
        const at = { x: width / 2 + reach * side, y: tall / 2 + reach * up };
        tones[n.name] = tone(t, n.name, i);
        called[n.name] = typeof n.label === "string" ? n.label : n.name;
        const loop = again[n.name], round = loop ? size / 4 + 8 : 0;
        if (loop) { /* the same again: a circle that begins and ends at the node */
          const far = size / 2 + 0.7 * round, share = (loop.value || 0) / widest;
          loops.push({
            name: n.name + "\u0000", of: n.name, x: at.x + far * side, y: at.y + far * up, symbolSize: 2 * round, label: { show: false },
            itemStyle: { color: "transparent", borderColor: tones[n.name], borderWidth: 0.8 + 6 * share, opacity: 0.35 + 0.5 * share },
          });
        }
        const position = Math.abs(side) < 0.2 ? (up < 0 ? "top" : "bottom") : side < 0 ? "left" : "right";
        nodes.push(Object.assign({}, n, at, { symbolSize: size, itemStyle: { color: tones[n.name] }, label: { position: position, distance: 7 + 1.75 * round * Math.abs(position === "left" || position === "right" ? side : up) } }));
      });
      const links = first.links.filter((l) => l.source !== l.target).map((l) => Object.assign({}, l, {
        lineStyle: { color: tones[l.source], width: 0.8 + (6 * (l.value || 0)) / widest, opacity: 0.35 + (0.5 * (l.value || 0)) / widest, curveness: 0.2 },
      }));
      const corner = (x, y) => ({ name: x + "\u0000" + y, x: x, y: y, symbolSize: 0, silent: true, label: { show: false } });
      const ends = many < 3 ? [corner(0, 0), corner(width, tall)] : []; /* a line of nodes has no width to draw to scale */
      const drawn_ = loops.concat(nodes, ends), xs = drawn_.map((n) => n.x), ys = drawn_.map((n) => n.y);
      const said = (text, value) => (text ? esc(text) : "<b>" + esc(show(value, "number")) + "</b>");
      made.series = [{
        type: "graph", layout: "none", data: drawn_, links: links, roam: false,
        left: Math.min(...xs), width: Math.max(1, Math.max(...xs) - Math.min(...xs)), top: Math.min(...ys), height: Math.max(1, Math.max(...ys) - Math.min(...ys)),
        edgeSymbol: ["none", "arrow"], edgeSymbolSize: 8, emphasis: { focus: "adjacency" },
        label: { show: true, color: t.ink, fontSize: 12, formatter: (p) => cut(called[p.name], narrow ? 84 : 200) },
      }];
      made.tooltip.formatter = (p) => {
        if (p.dataType === "edge") return name(called[p.data.source]) + " → " + name(called[p.data.target]) + "<br>" + said(p.data.text, p.data.value);
        const own = p.data.of === undefined ? p.name : p.data.of, loop = again[own];
        const back = loop ? name(called[own]) + " → " + name(called[own]) + "<br>" + said(loop.text, loop.value) : "";
        return p.data.of !== undefined ? back : name(called[own]) + "<br><b>" + esc(show(p.value, "number")) + "</b>" + (back ? "<br>" + back : "");
      };
      return made;
    }

    if (kind === "reliability") return reliability(spec, made, t, width, named, colours);

    const x = spec.xAxis || { type: "value" }, y = spec.yAxis || { type: "value" };
    made.xAxis = axis(x, t, "x", narrow);
    made.yAxis = axis(y, t, "y", narrow);
    const beside = y.type === "category" ? Math.min(room(narrow), Math.max(20, ...(y.data || []).map((d) => 1.12 * wide(d)))) : 50;
    if (made.xAxis.name) made.xAxis.name = folded(made.xAxis.name, Math.max(80, width - beside - 40));
    const legend = kind !== "heatmap" && named.length > 1;
    made.grid = { left: 8, right: 18, top: legend ? 32 : 8, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "all" };
    if (legend) {
      let used = 0, rows = 1;
      named.forEach((n) => {
        const size = Math.min(width - 20, wide(n) + 30);
        if (used + size > width - 10 && used) { rows += 1; used = 0; }
        used += size;
      });
      if (rows <= 4) made.grid.top = 8 + 25 * rows;
      made.legend = { type: rows <= 4 ? "plain" : "scroll", top: 0, left: 0, right: 0, data: named, formatter: (n) => cut(n, width - 50), icon: "roundRect", itemWidth: 12, itemHeight: 8, textStyle: { color: t.ink, fontSize: 12.5 }, pageTextStyle: { color: t.soft }, itemGap: 10 };
    }
    const values = x.type === "category" ? y : y.type === "category" ? x : y;
    const names = x.type === "category" ? x.data : y.type === "category" ? y.data : null;

    if (kind === "heatmap") {
      const scale = spec.visualMap || {}, format = scale.format;
      const top = Math.max(Math.abs(scale.min || 0), Math.abs(scale.max || 0));
      const signed = scale.min < 0 && scale.max > 0;
      made.visualMap = {
        type: "continuous", min: signed ? -top : scale.min, max: signed ? top : scale.max > scale.min ? scale.max : scale.min + 1, dimension: 2, calculable: false, orient: "horizontal",
        right: 10, top: 0, itemWidth: 10, itemHeight: narrow ? 70 : 110,
        text: [show(signed ? top : scale.max, format, true), (scale.name ? scale.name + (zh ? "：" : ": ") : "") + show(signed ? -top : scale.min, format, true)],
        textStyle: { color: t.soft, fontSize: 11.5 }, inRange: { color: signed ? t.diverging : t.ramp },
      };
      made.grid.top = 38;
      const data = first.data.map((c) => [c[0], c[1], c[2] === null || c[2] === undefined ? "-" : c[2]]);
      const roomy = (x.data || []).length * 46 < width - 150 && data.length <= 320;
      const from = made.visualMap.min, over = made.visualMap.max - from || 1, ramp = made.visualMap.inRange.color;
      const written = (value) => (value === "-" ? t.ink : readable(mixed(ramp, (value - from) / over)));
      made.series = [{
        type: "heatmap", data: data.map((c) => ({ value: c, label: { color: written(c[2]) } })),
        label: { show: roomy, fontSize: 11, formatter: (p) => (p.value[2] === "-" ? "" : show(p.value[2], format, "cell")) },
        itemStyle: { borderColor: t.paper, borderWidth: 1.5 }, emphasis: { itemStyle: { borderColor: t.ink } },
      }];
      made.yAxis.splitLine = { show: false };
      made.tooltip.formatter = (p) => name(y.data[p.value[1]]) + " · " + name(x.data[p.value[0]]) + "<br><b>" + esc(show(p.value[2], format)) + "</b>";
      return made;
    }

    const told = series.flatMap((s) => (s.data || []).flatMap((p) => (Array.isArray(p) ? p.slice(1) : [p])));
    if (values.format === "share" && !series.some((s) => s.stack)) whole(values === x ? made.xAxis : made.yAxis, told, narrow);
    if (x.type === "value" && x.format === "share" && values === y) whole(made.xAxis, series.flatMap((s) => (s.data || []).map((p) => (Array.isArray(p) ? p[0] : null))), narrow);
    let place = 0;
    const dots = series.filter((s) => s.renderItem === "interval").length;
    made.series = series.map((s) => {
      const colour = colours[String(s.of !== undefined ? s.of : s.name)] || t.series[0];
      const time = x.type === "time";
      if (s.renderItem === "band") {
        const rows = s.data.map((r) => [time ? instant(r[0]) : x.type === "category" ? x.data.indexOf(r[0]) : r[0], r[1], r[2]]);
        return { type: "custom", name: s.name, data: rows, renderItem: band(rows, colour), encode: { x: 0, y: [1, 2] }, silent: true, z: 1, clip: true, tooltip: { show: false } };
      }
      if (s.renderItem === "interval") {
        const flat = spec.horizontal !== false && y.type === "category";
        return {
          type: "custom", name: s.name, data: s.data, renderItem: interval(flat, place++, dots, colour), itemStyle: { color: colour },
          encode: flat ? { x: [1, 2, 3], y: 0 } : { x: 0, y: [1, 2, 3] },
        };
      }
      const mine = Object.assign({}, s, { itemStyle: { color: colour } });
      if (time) mine.data = s.data.map((p) => (Array.isArray(p) ? [instant(p[0])].concat(p.slice(1)) : p));
      if (s.type === "line") Object.assign(mine, { lineStyle: { width: 2, color: colour }, symbol: "circle", symbolSize: 5, connectNulls: false });
      if (s.type === "bar") Object.assign(mine, { barMaxWidth: 34, barGap: "12%", itemStyle: { color: colour, borderRadius: s.stack ? 0 : 2 } });
      if (s.type === "bar" && series.length === 1 && !s.stack && (y.type === "category" || s.data.length <= 8)) {
        const flat = y.type === "category";
        mine.data = s.data.map((v, i) => ({ value: v, label: { position: flat ? (v < 0 ? "left" : "right") : "top", formatter: () => (spec.texts && spec.texts[i] ? spec.texts[i] : show(v, values.format)) } }));
        mine.label = { show: true, color: t.ink, fontSize: 12 };
        if (flat) {
          widen(made.xAxis, s.data, s.data.map((v, i) => (spec.texts && spec.texts[i] ? spec.texts[i] : show(v, values.format))), width - beside - 40);
        }
      }
      if (s.type === "scatter") Object.assign(mine, { symbolSize: s.data.length > 400 ? 5 : 8, itemStyle: { color: colour, opacity: 0.65 } });
      return mine;
    });
    if (typeof spec.reference === "number") { /* where nothing differs */
      const flat = y.type === "category";
      made.series.unshift({
        type: "custom", data: [[spec.reference, spec.reference]], silent: true, z: 0, tooltip: { show: false }, encode: { x: flat ? 0 : [], y: flat ? [] : 0 },
        renderItem: (params, api) => {
          const box = params.coordSys, at = api.coord(flat ? [spec.reference, 0] : [0, spec.reference])[flat ? 0 : 1];
          return { type: "line", shape: flat ? { x1: at, y1: box.y, x2: at, y2: box.y + box.height } : { x1: box.x, y1: at, x2: box.x + box.width, y2: at }, style: { stroke: t.soft, lineWidth: 1.2 } };
        },
      });
    }
    if (kind === "scatter") {
      made.tooltip.formatter = (p) => (p.value.length > 2 ? name(p.value[2]) + "<br>" : "") + (x.name ? esc(x.name) + ": " : "") + esc(show(p.value[0], x.format)) + "<br>" + (y.name ? esc(y.name) + ": " : "") + "<b>" + esc(show(p.value[1], y.format)) + "</b>";
    } else if (kind === "interval") {
      made.tooltip.formatter = (p) => name(names[p.value[0]]) + (p.seriesName && dots > 1 ? " · " + name(p.seriesName) : "") + "<br><b>" + esc(show(p.value[1], values.format)) + "</b>" +
        (p.value[2] === null || p.value[2] === undefined ? "" : " [" + esc(show(p.value[2], values.format)) + ", " + esc(show(p.value[3], values.format)) + "]");
    } else {
      made.tooltip.trigger = "axis";
      made.tooltip.axisPointer = { type: kind === "bar" ? "shadow" : "line", shadowStyle: { color: t.soft, opacity: 0.08 }, lineStyle: { color: t.soft } };
      made.tooltip.formatter = (all) => {
        const seen = all.filter((p) => p.componentSubType !== "custom");
        if (!seen.length) return "";
        const at = x.type === "time" ? moment(seen[0].axisValue) : x.type === "value" || x.type === "log" ? show(seen[0].axisValue, y.type === "category" ? undefined : x.format) : seen[0].name;
        return name(at) + seen.map((p) => "<br>" + p.marker + (p.seriesName && !/^series\d/.test(p.seriesName) ? name(p.seriesName) + " " : "") + "<b>" + esc(show(Array.isArray(p.value) ? p.value[1] : p.value, values.format)) + "</b>").join("");
      };
    }
    return made;
  }

  function height(spec, width) {
    const series = spec.series || [], first = series[0] || {};
    const kind = first.renderItem || first.type;
    const rows = spec.yAxis && spec.yAxis.type === "category" ? (spec.yAxis.data || []).length : 0;
    if (kind === "sankey") return Math.max(300, Math.min(760, 80 + 38 * tallest(first)));
    if (kind === "graph") return width < 520 ? 360 : 490;
    if (kind === "reliability") return Math.round(Math.max(220, Math.min(440, width - 72))) + BARS + 84 + (series.length > 1 ? 56 : 32);
    const extra = 14 * (lines(rows ? spec.yAxis.data : [], width < 520) - 1);
    if (rows) return Math.max(170, Math.min(1400, 90 + rows * (extra + (kind === "bar" ? 16 + 12 * Math.min(3, series.length) : kind === "interval" ? 18 + 10 * Math.min(8, series.length) : 26))));
    return width < 520 ? 260 : 320;
  }

  function draw(id) {
    const place = document.getElementById(id), spec = page.charts[id];
    if (!place || !spec) return;
    const onPaper = Boolean(drawn.paper), width = onPaper ? PAPER : place.clientWidth || 640;
    const old = echarts.getInstanceByDom(place);
    if (!place.closest(".bare")) place.style.height = height(spec, width) + "px";
    const chart = old || echarts.init(place, null, { renderer: "svg" });
    chart.resize(onPaper ? { width: width, height: height(spec, width) } : { width: "auto", height: "auto" });
    const alternative = (document.getElementById(id + "-words") || {}).textContent || "";
    chart.setOption(option(spec, drawn.paper || (isDark() ? dark : light), width, alternative), true);
    const svg = place.querySelector("svg");
    if (onPaper) svg.setAttribute("viewBox", "0 0 " + width + " " + height(spec, width)); /* the sheet is laid out later, and the picture grows with it */
    else svg.removeAttribute("viewBox");
    drawn[id] = chart;
  }
  function all() {
    Object.keys(page.charts).forEach(draw);
  }

  window.footpath = {
    all: all,
    paper: function (on) { drawn.paper = on ? light : null; all(); },
    isDark: isDark,
  };
  all();
  document.documentElement.dataset.drawn = "yes";
  let wait = 0;
  window.addEventListener("resize", function () {
    window.clearTimeout(wait);
    wait = window.setTimeout(all, 120);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
