// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require rpc';
'require mezoura.model as model';
'require mezoura.theme as theme';

const callStats = rpc.declare({ object: 'mezoura', method: 'stats', reject: true });

/* The overview's card: who is using the internet now. The overview page polls it, and hides it while render() gives nothing. */
return baseclass.extend({
	title: _('Internet usage'),

	load() {
		return callStats().then(stats => ({ stats }), error => ({ failure: model.failure(error) }));
	},

	render(reply) {
		const link = E('a', { 'class': 'mz-wide', 'href': L.url('admin/status/mezoura') }, [ _('All devices…') ]);
		const content = [ E('link', { 'rel': 'stylesheet', 'href': L.resource('mezoura/mezoura.css') }) ];

		if (reply?.failure == 'denied' || !reply)
			return null;

		if (reply.failure) {
			content.push(E('em', { 'class': 'mz-wide' }, [ (reply.failure == 'stopped') ? _('Mezoura is not running') : _('Mezoura did not answer') ]));
		}
		else {
			let bits = true;

			try {
				bits = !JSON.parse(window.localStorage.getItem('mezoura'))?.bytes;
			}
			catch (e) {}

			/* of one reply a store holds no history: cheap, and the same numbers as on the page */
			const store = new model.Store();
			store.push(reply.stats, Date.now() / 1000);

			const rows = Array.from(store.rows.values()).filter(row => row.down + row.up > 0)
				.sort((a, b) => (b.down + b.up) - (a.down + a.up)).slice(0, 5);

			for (const row of rows)
				content.push(
					E('bdi', { 'title': row.address }, [ row.name ]),
					E('div', { 'class': 'mz-bar', 'aria-hidden': 'true' }, [
						E('i', { 'style': 'width:' + (100 * (row.down + row.up) / (rows[0].down + rows[0].up)) + '%' })
					]),
					E('span', { 'class': 'mz-number', 'aria-label': _('Down now') + ' ' + model.formatRate(row.down, bits) }, [ '↓ ' + model.formatRate(row.down, bits) ]),
					E('span', { 'class': 'mz-number', 'aria-label': _('Up now') + ' ' + model.formatRate(row.up, bits) }, [ '↑ ' + model.formatRate(row.up, bits) ]));

			if (!rows.length)
				content.push(E('em', { 'class': 'mz-wide' }, [ _('Nobody is using the internet right now.') ]));
		}

		const card = E('div', { 'class': 'mezoura mz-card' }, content.concat(link));

		theme.once(card);

		return card;
	}
});
