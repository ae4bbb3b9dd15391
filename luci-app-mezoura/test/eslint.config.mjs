// SPDX-License-Identifier: GPL-2.0-only

import js from '@eslint/js';
import globals from 'globals';

const luci = Object.fromEntries([ '_', 'N_', 'L', 'E', 'baseclass', 'dom', 'form', 'poll', 'rpc', 'uci', 'ui', 'view', 'widgets', 'model', 'charts', 'tables', 'notices', 'theme' ].map(name => [ name, 'readonly' ]));

const rules = {
	'no-undef': 'error', 'no-unused-vars': [ 'error', { caughtErrors: 'none' } ], 'no-var': 'error', 'prefer-const': 'error',
	'no-empty': [ 'error', { allowEmptyCatch: true } ], 'no-eval': 'error', eqeqeq: 'off'
};

/* text from outside must never become markup: not by innerHTML, and not by E(name, attributes, string), which LuCI parses */
const markup = [ 'error',
	{ selector: 'AssignmentExpression[left.property.name=/^(innerHTML|outerHTML)$/]', message: 'Markup made of strings.' },
	{ selector: 'CallExpression[callee.property.name=/^(insertAdjacentHTML|writeln)$/]', message: 'Markup made of strings.' },
	{ selector: 'CallExpression[callee.name=E] > :matches(TemplateLiteral, BinaryExpression, Literal, CallExpression[callee.name=_]):not(:first-child).arguments', message: 'E() takes text in an array.' } ];

export default [
	{ ignores: [ '**/node_modules/**' ] },
	js.configs.recommended,
	{
		files: [ '**/htdocs/**/*.js', '**/runtime/**/*.js' ],
		languageOptions: { sourceType: 'script', ecmaVersion: 2022, globals: { ...globals.browser, ...luci }, parserOptions: { ecmaFeatures: { globalReturn: true } } },
		rules
	},
	{ files: [ '**/htdocs/**/*.js' ], rules: { 'no-restricted-syntax': markup } },
	{ files: [ '**/runtime/**/luci.js', '**/runtime/**/cbi.js' ], rules: { 'no-redeclare': 'off', 'no-restricted-syntax': 'off' } },
	{ files: [ '**/runtime/**/form.js' ], rules: { 'no-redeclare': 'off' } },
	{ files: [ '**/*.mjs' ], languageOptions: { sourceType: 'module', ecmaVersion: 2022, globals: { ...globals.node, ...globals.browser, L: 'readonly' } }, rules }
];
