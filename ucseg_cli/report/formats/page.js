// Without scripts a page lacks only this: headings that sort, trees that fold, a box that filters.
for (const table of document.querySelectorAll(".ucseg table")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const depth = row => Number(row.dataset.depth);
  const isTree = rows.some(row => depth(row) > 0);
  const folded = new Set();
  let words = "";

  // The rows as a tree: what is deeper stands below the last row that is less deep.
  const root = { row: null, below: [] }, nodes = new Map();
  const above = [root];
  for (const row of rows) {
    const node = { row, below: [], above: null };
    while (above.length > depth(row) + 1) above.pop();
    node.above = above.at(-1);
    node.above.below.push(node);
    above.push(node);
    nodes.set(row, node);
  }

  const matches = row => row.textContent.toLowerCase().includes(words);
  const isFolded = node => node.above !== root && (folded.has(node.above) || isFolded(node.above));
  const anyMatch = node => matches(node.row) || node.below.some(anyMatch);
  const show = () => {
    for (const node of nodes.values())
      node.row.hidden = words ? !(anyMatch(node) || node.row.classList.contains("total")) : isFolded(node);
  };

  if (isTree) {
    table.classList.add("tree");
    for (const node of nodes.values()) {
      if (!node.below.length) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.ariaLabel = "what is below " + node.row.cells[0].textContent;
      button.ariaExpanded = "true";
      button.addEventListener("click", () => {
        const closes = !folded.delete(node);
        if (closes) folded.add(node);
        button.ariaExpanded = String(!closes);
        show();
      });
      node.row.cells[0].prepend(button);
    }
  }

  if (rows.length > 12) {
    const box = document.createElement("label"), input = document.createElement("input");
    const found = document.createElement("output");
    box.className = "filter";
    input.type = "search";
    box.append("filter", input, found);
    input.addEventListener("input", () => {
      words = input.value.trim().toLowerCase();
      show();
      const hits = rows.filter(row => !row.hidden && !row.classList.contains("total") && matches(row));
      found.value = words ? hits.length + " of " + rows.length + " rows" : "";
    });
    table.caption.append(box);
  }

  // A waterfall is in the order of its steps, and stays so. Totals and folded rows stay below.
  if (table.classList.contains("waterfall")) continue;
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const at = heading.cellIndex, numeric = heading.classList.contains("number");
      const falling = heading.ariaSort ? heading.ariaSort === "ascending" : numeric;
      for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const value = row => row.cells[at].dataset.sort ?? row.cells[at].textContent;
      const order = (one, two) => value(one).localeCompare(value(two), "en", { numeric: true });
      const amount = row => Number(row.cells[at].dataset.sort ?? NaN);
      const rank = (one, two) => {
        const [first, second] = [amount(one), amount(two)];
        if (isNaN(first) || isNaN(second)) return isNaN(first) - isNaN(second) || order(one, two);
        return falling ? second - first : first - second;
      };
      const text = (one, two) => falling ? order(two, one) : order(one, two);
      const compare = numeric ? rank : text;
      const stays = node => /total|folded/.test(node.row.className);
      const place = below => {
        const moving = below.filter(node => !stays(node)).sort((one, two) => compare(one.row, two.row));
        for (const node of [...moving, ...below.filter(stays)]) {
          body.append(node.row);
          place(node.below);
        }
      };
      place(root.below);
    });
  }
}
