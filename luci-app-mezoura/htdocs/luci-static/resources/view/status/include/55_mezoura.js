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

	render({ stats, failure }) {
		const store = new model.Store(), bits = !model.recall().bytes, content = [];
		const rate = (arrow, value) => E('span', { class: 'mz-number' }, [ arrow + model.formatRate(value, bits) ]);
		const words = (text) => content.push(E('em', { class: 'mz-wide' }, [ text ]));

		if (failure == 'denied')
			return null;

		store.push(stats, Date.now() / 1000);

		const rows = store.active().slice(0, 5);

		for (const row of rows)
			content.push(
				E('bdi', { title: row.address }, [ row.name ]),
				E('div', { class: 'mz-bar' }, [ E('i', { style: 'width:' + 100 * (row.down + row.up) / (rows[0].down + rows[0].up) + '%' }) ]),
				rate('↓ ', row.down), rate('↑ ', row.up));

		if (failure)
			words((failure == 'stopped') ? _('Mezoura is not running') : _('Mezoura did not answer'));
		else if (!rows.length)
			words(_('Nobody is using the internet right now.'));

		const card = E('div', { class: 'mezoura mz-card' }, [ E('link', { rel: 'stylesheet', href: L.resource('mezoura/mezoura.css') }) ]
			.concat(content, E('a', { class: 'mz-wide', href: L.url('admin/status/mezoura') }, [ _('All devices…') ])));

		theme.once(card);

		return card;
	}
});
