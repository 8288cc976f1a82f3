// One of the plane's other things (an endpoint, a transform job, a model …), whatever its kind.

import { h } from "./dom.js";
import { logPane } from "./logs.js";
import { card, facts, failure, heading, path, toJobs } from "./parts.js";
import { isLive, moment } from "./wording.js";

export function resourceView(model, kind, name) {
  const record = (model.resources.get(kind) ?? []).find((each) => each.name === name);
  if (!record) return null;
  return [
    path(["Jobs", toJobs], [name]),
    heading(name, record, kind, moment(record.created)),
    failure(record.failure_reason),
    h(
      "div",
      { key: "cards", class: "charts" },
      card("Facts", { isWide: true }, facts(Object.entries(record.facts ?? {}))),
      record.log_group
        ? card(
            "Log",
            { isWide: true },
            logPane({
              group: record.log_group,
              prefix: record.log_prefix,
              isLive: isLive(record) || record.status === "InService",
              mark: record.status,
            }),
          )
        : null,
    ),
  ];
}
