const page = sceneOf("page");
document.querySelector("header").append(themes());
document.querySelector("h1").textContent = page.title;

// A table that a click on a column's head sorts: numbers by value, the missing last.
const sortable = (header, rows) => {
  const body = element("tbody");
  const cells = (row) => row.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell.text));
  const fill = (sorted) => body.replaceChildren(...sorted.map((row) => element("tr", {}, ...cells(row))));
  const heads = header.map((title, column) => {
    const head = element("th", { scope: "col", "aria-sort": "none" });
    const sort = () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const order = (a, b) => {
        const [x, y] = [a[column].value, b[column].value];
        if (x === null || y === null) return (x === null) - (y === null);
        return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) * (rising ? 1 : -1);
      };
      fill([...rows].sort(order));
    };
    head.append(element("button", { type: "button", onclick: sort }, title));
    return head;
  });
  fill(rows);
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
};

document.getElementById("table").append(sortable(page.header, page.rows));
const notes = document.getElementById("notes");
for (const note of page.notes) notes.append(element("li", {}, note));

const dialog = document.querySelector("dialog");
let viewer = null;
const open = (thumbnail) => {
  const scene = sceneOf(thumbnail.id);
  dialog.querySelector("h2").textContent = scene.name;
  dialog.showModal();
  viewer = new Viewer(dialog.querySelector("div"), scene);
  viewer.stage.focus();
};
dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { viewer = null; });
const grid = document.getElementById("scenes");
for (const thumbnail of page.thumbnails) {
  const picture = element("img", { src: thumbnail.src, alt: "", loading: "lazy" });
  grid.append(element("button", { type: "button", onclick: () => open(thumbnail) }, picture, thumbnail.name));
}
document.addEventListener("keydown", (event) => viewer?.key(event));
window.addEventListener("resize", () => viewer?.place());
