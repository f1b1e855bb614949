"use strict";

// Status names by their codes in the messages.
const STATUS = ["ok", "warn", "error", "insufficient_data", "stale"];
const WORDS = { ok: "OK", warn: "WARN", error: "ERROR", insufficient_data: "TOO LITTLE DATA", stale: "STALE" };
const SEVERITY = ["error", "warn", "stale", "ok", "insufficient_data"];
const KEPT = 600;
const LANES = 12;

let sequence = 0;
let facts = { cameras: [], class_names: [] };
const panels = new Map();
let alarms = [];

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const known = (value) => typeof value === "number" && Number.isFinite(value);
const number = (value, digits = 2) => (known(value) ? value.toFixed(digits) : "–");
const badge = (status) => element("span", { class: `badge ${status}` }, WORDS[status] ?? status);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const clock = (seconds) =>
  // Stamps of a simulator or a bag without a clock count from zero.
  seconds > 1e8 ? new Date(seconds * 1000).toLocaleTimeString() : `${seconds.toFixed(0)} s`;
const interval = (estimated) =>
  known(estimated?.value) ? `${number(estimated.value)} (${number(estimated.low)} … ${number(estimated.high)})` : "–";

function panel(name, index) {
  const root = element("article", { class: "camera", "data-camera": name });
  const title = element("header");
  const picture = element("img", { class: "picture", alt: `newest frame of ${name} with its detections` });
  const figures = element("dl", { class: "figures" });
  const body = element("tbody");
  const head = ["Class", "Status", "Reason", "Rate (expected) /s", "Score p50", "Estimated AP", "Precision", "PSI"];
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {}, text)))), body);
  const timelines = element("div", { class: "timelines" });
  const few = element("p", { class: "few" });
  root.append(title, element("div", {}, picture, figures), element("div", { class: "scroll" }, table, few), timelines);
  document.getElementById("cameras").append(root);
  return { name, index, title, picture, figures, body, few, timelines, points: [] };
}

function show(own, camera) {
  const health = camera.health;
  if (!health) return;
  const title = [element("h2", {}, own.name), " ", badge(health.status), " "];
  if (health.status !== "ok") title.push(health.reason, " ");
  if (health.is_injected) title.push(element("span", { class: "injection" }, `INJECTING ${(health.corruptions ?? []).join(" + ")}`));
  own.title.replaceChildren(...title);

  const looks = known(health.estimated_severity)
    ? health.estimated_corruption
      ? `${health.estimated_corruption}:${number(health.estimated_severity, 1)}`
      : "as in the profile"
    : "–";
  const truth = camera.ground_truth;
  const pairs = [
    ["Estimated mAP", interval(health.estimated_map)],
    ...(truth ? [["True mAP", `${number(truth.map)} (${truth.frames} frames)`]] : []),
    ["Worst class", health.worst_class ?? "–"],
    ["Image", health.image_state],
    ["Looks like", looks],
    ["Frames /s", number(health.processing_rate, 1)],
    ["Noise", number(health.image_noise, 1)],
    ["Sharpness", number(health.image_sharpness)],
    ["Brightness", number(health.image_brightness, 0)],
    ["Contrast", number(health.image_contrast, 0)],
    ["Blockiness", number(health.image_blockiness)],
    ["Consistency", number(health.prediction_consistency)],
    ["Reliability", number(health.prediction_reliability)],
  ];
  own.figures.replaceChildren(
    ...pairs.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))),
  );

  const right = new Map((truth?.classes ?? []).map((row) => [row.class_name, row]));
  const beside = (row, key) => (known(right.get(row.class_name)?.[key]) ? `, true ${number(right.get(row.class_name)[key])}` : "");
  const rank = (row) => SEVERITY.indexOf(row.status);
  const rows = [...health.classes].sort((a, b) => rank(a) - rank(b) || b.detections - a.detections);
  const few = rows.filter((row) => row.status === "insufficient_data");
  own.few.replaceChildren(
    few.length ? `${few.length} classes with too few detections to judge` : "",
    ...few.map((row) => element("span", {}, `${row.class_name} ${row.published}/${row.detections_needed}`)),
  );
  own.body.replaceChildren(
    ...rows.filter((row) => !few.includes(row)).map((row) => {
      const expected = known(row.expected_detection_rate) ? ` (${number(row.expected_detection_rate, 1)})` : "";
      const figure = (text) => element("td", { class: "number" }, text);
      return element(
        "tr",
        { "data-class": row.class_name, "data-status": row.status },
        element("td", {}, row.class_name),
        element("td", {}, badge(row.status)),
        element("td", { class: "reason" }, row.status === "ok" ? "" : row.reason),
        figure(number(row.detection_rate, 1) + expected),
        figure(number(row.score_p50)),
        figure(interval(row.estimated_ap) + beside(row, "ap")),
        figure(number(row.expected_precision) + beside(row, "precision")),
        figure(number(row.score_psi)),
      );
    }),
  );
}

// One point a second; the newest on the right.
function canvas(lane, label, className) {
  const made = element("canvas", { class: className, role: "img", "aria-label": label });
  lane.append(made);
  const ratio = window.devicePixelRatio || 1;
  made.width = Math.max(1, Math.round(made.clientWidth * ratio));
  made.height = Math.max(1, Math.round(made.clientHeight * ratio));
  const context = made.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width: made.clientWidth, height: made.clientHeight };
}

function timelines(own) {
  const points = own.points;
  own.timelines.replaceChildren();
  if (points.length < 2) return;
  const x = (width, index) => (width * (index + KEPT - points.length)) / (KEPT - 1);

  const lane = (label) => {
    const made = element("div", { class: "lane" }, element("span", { title: label }, label));
    own.timelines.append(made);
    return made;
  };
  if (points.some((point) => known(point.estimated_map))) {
    const { context, width, height } = canvas(lane("estimated mAP"), `estimated mAP of ${own.name} over time`, "curve");
    const top = Math.max(0.1, ...points.map((point) => point.estimated_map_high).filter(known));
    const y = (value) => height - 2 - (height - 4) * (value / top);
    context.fillStyle = colour("band");
    context.strokeStyle = colour("estimate");
    context.beginPath();
    const seen = points.map((point, index) => [point, index]).filter(([point]) => known(point.estimated_map));
    for (const [point, index] of seen) context.lineTo(x(width, index), y(point.estimated_map_high));
    for (const [point, index] of seen.reverse()) context.lineTo(x(width, index), y(point.estimated_map_low));
    context.fill();
    context.beginPath();
    for (const [point, index] of seen.reverse()) context.lineTo(x(width, index), y(point.estimated_map));
    context.lineWidth = 1.5;
    context.stroke();
    context.fillStyle = colour("faint");
    context.font = "11px system-ui, sans-serif";
    context.fillText(top.toFixed(2), 2, 11);
  }
  const strip = (label, paint) => {
    const { context, width, height } = canvas(lane(label), label, "strip");
    const step = width / (KEPT - 1);
    points.forEach((point, index) => {
      const fill = paint(point);
      if (!fill) return;
      context.fillStyle = fill;
      context.fillRect(x(width, index) - step, 0, step + 0.5, height);
    });
  };
  const painted = Object.fromEntries(STATUS.map((name) => [name, colour({ insufficient_data: "line", stale: "none" }[name] ?? name)]));
  strip("camera", (point) => painted[point.status]);
  const counts = new Map();
  for (const point of points) {
    for (const [id, code] of point.classes) counts.set(id, (counts.get(id) ?? 0) + (code === 3 ? 0.001 : 1));
  }
  const classes = [...counts].sort((a, b) => b[1] - a[1]).slice(0, LANES);
  for (const [id] of classes) {
    strip(facts.class_names[id] ?? `class ${id}`, (point) => {
      const entry = point.classes.find(([other]) => other === id);
      return entry && painted[STATUS[entry[1]]];
    });
  }
  if (points.some((point) => point.corruptions.length)) {
    strip("injected", (point) => point.corruptions.length && colour("injected"));
  }
}

function showAlarms() {
  const body = document.querySelector("#alarms tbody");
  if (!alarms.length) {
    body.replaceChildren(element("tr", { class: "none" }, element("td", { colspan: "5" }, "none so far")));
    return;
  }
  body.replaceChildren(
    ...[...alarms].reverse().map((alarm) =>
      element(
        "tr",
        { "data-status": alarm.status },
        element("td", { class: "number" }, clock(alarm.time_s)),
        element("td", {}, alarm.camera),
        element("td", {}, alarm.class_name ?? "(camera)"),
        element("td", {}, badge(alarm.before), " → ", badge(alarm.status)),
        element("td", { class: "reason" }, alarm.status === "ok" ? "" : alarm.reason),
      ),
    ),
  );
}

async function update() {
  const answer = await fetch(`api/state?since=${sequence}`);
  if (!answer.ok) throw new Error(`the node answers ${answer.status}`);
  const state = await answer.json();
  if (state.anew || !panels.size) {
    document.getElementById("cameras").replaceChildren();
    panels.clear();
    alarms = [];
    state.cameras.forEach((camera, index) => panels.set(camera.name, panel(camera.name, index)));
  }
  sequence = state.sequence;
  facts = state.facts;
  if (facts.model_name) {
    const profile = facts.profile_sha256 ? `profile ${facts.profile_sha256.slice(0, 12)}` : "no profile";
    document.getElementById("facts").textContent =
      `${facts.model_name} (${facts.model_sha256.slice(0, 12)}) on ${facts.provider}, ${profile}, version ${state.roadproof_version}`;
  }
  for (const camera of state.cameras) {
    const own = panels.get(camera.name);
    if (!own) continue;
    if (camera.timeline.length) {
      own.points = [...own.points, ...camera.timeline].slice(-KEPT);
      show(own, camera);
      timelines(own);
    }
  }
  if (state.alarms.length || state.anew) {
    alarms = [...alarms, ...state.alarms].slice(-200);
    showAlarms();
  }
}

// Asking for a picture is what makes the node draw one.
async function pictures() {
  for (const own of panels.values()) {
    const answer = await fetch(`api/cameras/${own.index}/picture`);
    if (answer.status !== 200) continue;
    const shown = await createImageBitmap(await answer.blob());
    if (!(own.picture instanceof HTMLCanvasElement)) {
      const replacement = element("canvas", { class: "picture", role: "img", "aria-label": own.picture.alt });
      own.picture.replaceWith(replacement);
      own.picture = replacement;
    }
    own.picture.width = shown.width;
    own.picture.height = shown.height;
    own.picture.getContext("2d").drawImage(shown, 0, 0);
  }
}

function again(task, period_ms) {
  const link = document.getElementById("link");
  const run = async () => {
    try {
      if (!document.hidden) await task();
      if (task === update) {
        link.textContent = "";
        link.classList.remove("lost");
      }
    } catch (error) {
      link.textContent = `no connection to the node (${error.message}); what is shown is old`;
      link.classList.add("lost");
    }
    setTimeout(run, period_ms);
  };
  run();
}

again(update, 1000);
again(pictures, 400);
