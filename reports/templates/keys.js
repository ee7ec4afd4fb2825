// Keys of the sample browser; none is taken while a field is typed in or a modifier is held.
const listenToKeys = (actions, help) => {
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && field) field.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
};
