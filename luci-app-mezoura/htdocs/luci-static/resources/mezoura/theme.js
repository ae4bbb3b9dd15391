// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';

/* Finds out what the theme looks like: the page's ground, light or dark, the hue of links. See mezoura.css. */

const channels = (color) => (color.match(/[\d.]+/g) || []).map(Number);

/* [lightness, chroma, hue in degrees] of a computed colour */
function oklch(color) {
	const [ r, g, b ] = channels(color).map(c => Math.pow(c / 255, 2.2));
	const l = Math.cbrt(0.4122 * r + 0.5363 * g + 0.0514 * b);
	const m = Math.cbrt(0.2119 * r + 0.6807 * g + 0.1074 * b);
	const s = Math.cbrt(0.0883 * r + 0.2817 * g + 0.63 * b);
	const x = 1.978 * l - 2.4286 * m + 0.4506 * s, y = 0.0259 * l + 0.7828 * m - 0.8087 * s;

	return [ 0.2105 * l + 0.7936 * m - 0.0041 * s, Math.hypot(x, y), (Math.atan2(y, x) * 180 / Math.PI + 360) % 360 ];
}

function ground(node) {
	for (; node?.nodeType == 1; node = node.parentNode) {
		const color = getComputedStyle(node).backgroundColor;

		if (!(channels(color)[3] < 0.5))
			return color;
	}

	return 'Canvas';
}

function apply(root) {
	const probe = root.appendChild(E('a', { href: '#' }));
	const link = oklch(getComputedStyle(probe).color), dark = oklch(getComputedStyle(root).color)[0] > 0.6;

	probe.remove();
	root.dataset.tone = dark ? 'dark' : 'light';
	root.style.setProperty('--mz-g', ground(root));
	root.style.setProperty('--mz-hue', Math.round(link[1] > 0.04 ? link[2] : 250));
}

const once = (root) => window.requestAnimationFrame(() => root.isConnected && apply(root));

/* Keeps root right while the theme switches between light and dark. */
function follow(root) {
	new MutationObserver(() => once(root)).observe(document.documentElement, { attributes: true });
	window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => once(root));
	window.addEventListener('load', () => once(root));
	once(root);
}

return baseclass.extend({ follow, once, oklch });
