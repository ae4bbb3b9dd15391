// SPDX-License-Identifier: GPL-2.0-only
'use strict';
'require baseclass';
'require form';

/* Stand-in for LuCI's tools/widgets.js, for tests: a NetworkSelect that knows two networks. */

return baseclass.extend({
	NetworkSelect: class extends form.MultiValue {
		constructor(...args) {
			super(...args);
			[ 'lan', 'guest' ].forEach(name => this.value(name));
		}
	}
});
