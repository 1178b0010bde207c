const scene = sceneOf("scene");
document.querySelector("header").append(themes());
document.querySelector("h1").textContent = scene.name;
const viewer = new Viewer(document.getElementById("viewer"), scene);
document.addEventListener("keydown", (event) => viewer.key(event));
window.addEventListener("resize", () => viewer.place());
