// SPDX-License-Identifier: GPL-2.0-only

/*
 * Stand-in for LuCI's cbi.js, for tests: translation and String.prototype.format, as far as the page uses them (%s, %d, %%).
 * window.TR maps texts as they are in the sources; LuCI's maps their hashes.
 */

window._ = (text) => window.TR?.[text] || text;

window.N_ = (n, one, many) => {
	const plural = window.TR?.plural ? +window.TR.plural(n) : +(n != 1);

	return window.TR?.[one + '\u0002' + plural] || (plural ? many : one);
};

String.prototype.format = function(...values) {
	let i = 0;

	return this.replace(/%([sd%])/g, (all, type) => {
		if (type == '%')
			return '%';

		const value = values[i++];

		return (type == 'd') ? Math.floor(+value || 0).toFixed(0) : value;
	});
};
