// Routes: what is configured, pause and resume.
import { get, post } from './client.js';
import { announce, badge, confirm, el, fill, table, time } from './dom.js';
import { count, duration } from './format.js';

/** The list. */
export async function showRoutes(place, to) {
  const { routes } = await get('/v1/routes');
  const change = async (route, verb, text) => {
    const done = await confirm({
      title: `${verb === 'pause' ? 'Pause' : 'Resume'} ${route.type}?`, text: el('p', {}, text), button: verb === 'pause' ? 'Pause it' : 'Resume it', isDangerous: verb === 'pause',
      act: ({ who, why }) => post(`/v1/routes/${encodeURIComponent(route.type)}/${verb}`, { by: who, why }),
    });
    if (!done) return;
    announce(done.changed ? `${route.type} is ${done.paused ? 'paused' : 'resumed'}.` : `${route.type} was ${done.paused ? 'paused' : 'running'} already.`);
    showRoutes(place, to);
  };
  fill(place, el('h1', { tabindex: -1 }, 'Routes'),
    table('Routes', [{ title: 'Type' }, { title: 'Goes to' }, { title: 'State' }, { title: 'Signed' }, { title: 'Attempts', isNumber: true }, { title: 'Timeout', isNumber: true }, { title: 'At once', isNumber: true }, { title: 'Change' }],
      routes.map((route) => [
        el('a', { href: `#/tasks?type=${encodeURIComponent(route.type)}` }, route.type), el('code', {}, route.url ?? '–'),
        route.paused ? el('span', {}, badge('warn', 'paused'), ' ', time(route.paused.since), el('small', { class: 'below' }, `${route.paused.by}: ${route.paused.reason || 'no reason given'}`)) : badge('good', 'running'),
        route.signed === undefined ? 'not configured' : route.signed ? 'yes' : 'no', route.maxAttempts === 0 ? 'for ever' : count(route.maxAttempts), route.timeoutSeconds === undefined ? '–' : duration(route.timeoutSeconds), count(route.concurrency),
        route.paused ? el('button', { type: 'button', class: 'primary', 'data-key': `change ${route.type}`, onclick: () => change(route, 'resume', 'What waits is sent from then on.') }, 'Resume…')
          : el('button', { type: 'button', class: 'plain', 'data-key': `change ${route.type}`, onclick: () => change(route, 'pause', 'No task of this type is sent by any relay until somebody resumes it. What is in flight goes on; what is inserted waits.') }, 'Pause…'),
      ]), 'No route is configured.'));
}
