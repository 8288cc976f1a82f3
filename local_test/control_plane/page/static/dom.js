// Elements as values: `h` says what shall be there, `render` changes what differs from what is.
// Focus, scroll places and what a screen reader reads stay where they are.  Text is always text:
// nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["checked", "value", "open"]);

export function h(tag, props, ...children) {
  const { key, on, style, made, ...attributes } = props ?? {};
  return { tag, key, on, style, made, attributes, children: flat(children) };
}

export function render(parent, ...children) {
  const active = document.activeElement;
  reconcile(parent, flat(children), parent.namespaceURI === SVG);
  // An element that was moved has lost the focus on its way.
  if (active !== document.activeElement && active?.isConnected)
    active.focus({ preventScroll: true });
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

function reconcile(parent, wanted, isSvg) {
  const old = [...parent.childNodes];
  const keyed = new Map(
    old.filter((node) => node.shown?.key !== undefined).map((node) => [node.shown.key, node]),
  );
  const plain = old.filter((node) => node.shown?.key === undefined);
  let next = 0;
  const nodes = wanted.map((child) => {
    const found = child.key === undefined ? plain[next++] : keyed.get(child.key);
    return fits(found, child) ? found : create(child, isSvg);
  });
  const kept = new Set(nodes);
  for (const node of old) if (!kept.has(node)) node.remove();
  let place = parent.firstChild;
  nodes.forEach((node, index) => {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    update(node, wanted[index], isSvg);
  });
}

function fits(node, child) {
  if (!node) return false;
  if (typeof child !== "object") return node.nodeType === Node.TEXT_NODE;
  return node.shown?.tag === child.tag;
}

function create(child, isSvg) {
  if (typeof child !== "object") return document.createTextNode(String(child));
  const node =
    isSvg || child.tag === "svg"
      ? document.createElementNS(SVG, child.tag)
      : document.createElement(child.tag);
  node.shown = { tag: child.tag, key: child.key, attributes: {}, style: {}, on: {}, isNew: true };
  return node;
}

function update(node, child, isSvg) {
  if (typeof child !== "object") {
    if (node.data !== String(child)) node.data = String(child);
    return;
  }
  const shown = node.shown;
  setAttributes(node, shown.attributes, child.attributes);
  setStyle(node, shown.style, child.style ?? {});
  setListeners(node, child.on ?? {});
  shown.attributes = child.attributes;
  shown.style = child.style ?? {};
  // What `made` has built belongs to it; its children are not ours.
  if (!child.made) reconcile(node, child.children, isSvg || child.tag === "svg");
  if (child.made && shown.isNew) child.made(node);
  shown.isNew = false;
}

function setAttributes(node, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) setAttribute(node, name, null);
  for (const [name, value] of Object.entries(after)) {
    if (PROPERTIES.has(name)) {
      if (node[name] !== value) node[name] = value;
    } else if (before[name] !== value) setAttribute(node, name, value);
  }
}

function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : String(value));
}

function setStyle(node, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) node.style.removeProperty(name);
  for (const [name, value] of Object.entries(after)) {
    if (before[name] !== value) node.style.setProperty(name, value);
  }
}

function setListeners(node, after) {
  for (const kind of Object.keys(after)) {
    if (!(kind in node.shown.on))
      node.addEventListener(kind, (event) => node.shown.on[kind]?.(event));
  }
  node.shown.on = {
    ...Object.fromEntries(Object.keys(node.shown.on).map((kind) => [kind, null])),
    ...after,
  };
}
