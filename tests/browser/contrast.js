// The contrast of every text that is seen, by WCAG 2.2: [text, ratio, what it needs to be].
() => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const rgba = (colour) => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    return numbers.length === 3 ? [...numbers, 1] : numbers;
  };
  const backgroundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const colourOf = (element) => {
    const style = getComputedStyle(element);
    return rgba(element instanceof SVGElement ? style.fill : style.color);
  };
  const needed = (element) => {
    const { fontSize, fontWeight } = getComputedStyle(element);
    const size = parseFloat(fontSize);
    return size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;
  };
  const ratio = (element) => {
    const [one, two] = [colourOf(element), backgroundOf(element)].map(luminance).sort((a, b) => b - a);
    return (one + 0.05) / (two + 0.05);
  };
  const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".visually-hidden");
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    if (text && !element.closest("script, noscript, option") && seen(element)) found.push([text, ratio(element), needed(element)]);
  }
  for (const field of document.querySelectorAll("input:not([type=range], [type=checkbox]), select, textarea")) {
    if (seen(field)) found.push([field.id, ratio(field), 4.5]);
  }
  return found;
};
