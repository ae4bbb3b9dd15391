// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';

/*
 * Finds out what the theme looks like, whichever it is: the ground the page lies on, whether it is light or dark, and the hue of its links,
 * from which the colours of the chart are derived. The style sheet does the rest with three custom properties.
 */

const channels = (color) => (/rgba?\(([^)]+)\)/.exec(color)?.[1] ?? '').split(/[\s,\/]+/).map(Number);

/* [hue in degrees, saturation from 0 to 1, relative luminance from 0 to 1] */
function analyse([ r, g, b ]) {
	const max = Math.max(r, g, b), min = Math.min(r, g, b), d = max - min;
	const hue = !d ? 0 : (max == r) ? ((g - b) / d + 6) % 6 : (max == g) ? (b - r) / d + 2 : (r - g) / d + 4;

	return [ hue * 60, max ? d / max : 0, (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 ];
}

function ground(node) {
	for (; node && node.nodeType == 1; node = node.parentNode) {
		const color = window.getComputedStyle(node).backgroundColor, rgba = channels(color);

		if (rgba.length >= 3 && !(rgba[3] < 0.5))
			return color;
	}

	return '';
}

function apply(root) {
	const text = window.getComputedStyle(root).color;
	const dark = analyse(channels(text))[2] > 0.5;
	const link = document.querySelector('#mainmenu a, header a, a[href]');
	const probe = root.appendChild(document.createElement('a'));

	probe.href = '#';

	let accent = analyse(channels(window.getComputedStyle(probe).color));
	probe.remove();

	if (accent[1] < 0.2 && link)
		accent = analyse(channels(window.getComputedStyle(link).color));

	root.dataset.tone = dark ? 'dark' : 'light';
	root.style.setProperty('--mz-ground', ground(root) || (dark ? '#222' : '#fff'));
	root.style.setProperty('--mz-hue', String(Math.round(accent[1] < 0.2 ? 210 : accent[0])));
}

/* Keeps root's properties right while the theme switches between light and dark. */
function follow(root) {
	const again = () => window.requestAnimationFrame(() => root.isConnected && apply(root));

	new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: [ 'class', 'style', 'data-darkmode', 'data-theme' ] });
	window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
	window.addEventListener('load', again);
	again();
}

/* For a node that is replaced at the next poll anyway. */
function once(root) {
	window.requestAnimationFrame(() => root.isConnected && apply(root));
}

return baseclass.extend({ follow, once, analyse, channels });
