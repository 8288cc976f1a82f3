// One of the plane's other things (an endpoint, a transform job, a model …), whatever its kind.

import { detailOf } from "./details.js";
import { h } from "./dom.js";
import { logPane } from "./logs.js";
import { badge, card, facts, failure, heading, path, table, toJobs, toResource } from "./parts.js";
import { duration, isLive, moment, number, oneOf, seconds } from "./wording.js";

// Facts that name another thing, and its kind.
const LEADS = { Configuration: "Endpoint configurations", Model: "Models" };

export function resourceView(model, kind, name, ui, now) {
  const record = recordOf(model, kind, name);
  if (!record) return null;
  const time = seconds(record, now);
  return [
    path(["Jobs", toJobs], [name]),
    heading(
      name,
      record,
      oneOf(kind),
      `created ${moment(record.created)}`,
      time === null ? null : duration(time),
    ),
    failure(
      record.failure_reason,
      record.status === "InService" ? "Why its last change failed" : undefined,
    ),
    h(
      "div",
      { key: "cards", class: "charts" },
      kind === "Endpoints"
        ? endpoint(model, record, ui)
        : card("Facts", { isWide: true }, facts(linked(model, record.facts))),
      record.log_group ? log(record) : null,
    ),
  ];
}

function recordOf(model, kind, name) {
  return (model.resources.get(kind) ?? []).find((each) => each.name === name);
}

function linked(model, told) {
  return Object.entries(told ?? {}).map(([name, text]) => [
    name,
    LEADS[name] ? link(model, LEADS[name], text) : text,
  ]);
}

// A link, where what it leads to is still there.
function link(model, kind, name) {
  return recordOf(model, kind, name) ? h("a", { href: toResource(kind, name) }, name) : name;
}

function log(record) {
  return card(
    "Log",
    { isWide: true },
    logPane({
      group: record.log_group,
      prefix: record.log_prefix,
      isLive: isLive(record) || record.status === "InService",
      mark: record.status,
    }),
  );
}

function endpoint(model, record, ui) {
  const mark = `${record.status} ${JSON.stringify(record.facts)}`;
  const detail = detailOf("endpoint", record.name, mark, ui.redraw);
  if (!detail) return null;
  const { coming } = detail;
  const isChange = coming !== null && record.status === "Updating";
  const now = coming?.variants ?? detail.variants;
  return [
    card(
      "Variants",
      { isWide: true },
      variants(model, record, "Variants", isChange ? detail.variants : now),
    ),
    isChange
      ? card(
          "Variants to come",
          { isWide: true, note: ["of ", link(model, LEADS.Configuration, coming.config)] },
          variants(model, record, "Variants to come", coming.variants),
        )
      : null,
    card(
      "Facts",
      { isWide: true },
      facts([
        ["Configuration", link(model, LEADS.Configuration, detail.config)],
        ["Last change", moment(detail.modified)],
        ["ARN", detail.arn],
      ]),
    ),
  ];
}

function variants(model, record, title, rows) {
  const columns = [
    { id: "name", title: "Variant" },
    { id: "ready", title: "Instances" },
    { id: "weight", title: "Weight", class: "number" },
    { id: "requests", title: "Requests", class: "number" },
    { id: "model", title: "Model" },
    { id: "image", title: "Image", class: "address" },
    { id: "data", title: "Data", class: "address" },
  ];
  if (rows.length === 0) return h("p", { class: "quiet" }, "Its configuration is not there.");
  return table(
    title,
    columns,
    rows.map((each) => ({ key: each.name, cells: variant(model, record, each) })),
  );
}

function variant(model, record, each) {
  const isDue = isLive(record) || record.status === "InService";
  const status = each.ready >= each.wanted ? "Ready" : isDue ? "Pending" : "Stopped";
  return [
    each.name,
    [
      badge({ status }),
      h(
        "span",
        { class: "quiet under" },
        `${each.ready} of ${each.wanted} × ${each.instance_type ?? "any type"}`,
      ),
    ],
    [
      number(each.weight),
      h("span", { class: "quiet under" }, `${number(100 * each.share, 3)} % of requests`),
    ],
    String(each.requests),
    link(model, LEADS.Model, each.model),
    each.image ?? "–",
    each.data ?? "–",
  ];
}
