// An action: what scrolls sideways can be reached by keyboard, and what does not is no stop on the way.
export function scrollable(node: HTMLElement) {
  const look = () => {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else node.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver(look);
  observer.observe(node);
  if (node.firstElementChild) observer.observe(node.firstElementChild);
  return { destroy: () => observer.disconnect() };
}
