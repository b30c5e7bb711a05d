# SPDX-License-Identifier: BSD-3-Clause
"""fetch and CORS as a browser has them: headless Chromium, where it is installed."""
import functools
import http.server
import re
import shutil
import subprocess
import threading

from harness import TOP, URL, Skipped, check_equal, system_test

PAGE = '''<!doctype html><title>gannet</title><pre id="out"></pre><script>
%s
const listed = '%s/v1/ns/listed/values/', closed = '%s/v1/ns/demo/values/';
async function main() {
  const said = [];
  const etag = await put('a b', {n: 1});
  said.push('etag ' + etag);
  said.push('value ' + (await get('a b')).value.n + ' ' + (await get('a b')).etag);
  await put('a b', {n: 2}, etag);
  said.push('value ' + (await get('a b')).value.n);
  try { await put('a b', {n: 3}, etag); } catch (error) { said.push(error.message); }
  said.push('missing ' + await get('missing'));
  const deleted = await fetch(listed + 'a%%20b', {method: 'DELETE'});
  said.push('delete ' + deleted.status + ' ' + (deleted.headers.get('Request-Id') || '').length);
  for (const [name, url] of [['other origin', closed]])
    try { await fetch(url + 'k'); said.push(name + ' was let in'); }
    catch (error) { said.push(name + ' refused'); }
  return said.join('; ');
}
main().then(text => { document.getElementById('out').textContent = 'RESULT ' + text + ' END'; },
            error => { document.getElementById('out').textContent = 'RESULT failed: ' + error + ' END'; });
</script>'''


def dump(world, browser, url):
    """The page as it is when its script is done."""
    return subprocess.run([browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                           f'--user-data-dir={world.folder}/profile', '--virtual-time-budget=20000', '--dump-dom',
                           url], capture_output=True, text=True, timeout=80, check=False)


def browser_that_runs(world):
    browser = shutil.which('chromium')
    if not browser:
        raise Skipped('chromium is not installed (apt-get install chromium)')
    if 'it runs' not in dump(world, browser, 'data:text/html,<p>it runs').stdout:
        raise Skipped('chromium is installed but does not run here')
    return browser


@system_test('a page in headless Chromium reads, writes and deletes by fetch; other origins are refused', 170)
def browser_fetch(world):
    browser = browser_that_runs(world)
    origin = 'http://localhost:8123'
    world.start({'namespaces': [{'name': 'listed', 'cors_origins': origin},
                                {'name': 'demo', 'cors_origins': 'https://elsewhere.example'}]})
    code = re.search(r'(?ms)^```javascript\n(.*?)^```$', (TOP / 'CLIENTS.md').read_text()).group(1)
    code = code.replace('http://127.0.0.1:8080/v1/ns/demo/', f'{URL}/v1/ns/listed/')
    (world.folder / 'index.html').write_text(PAGE % (code, URL, URL))
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(world.folder))
    pages = http.server.ThreadingHTTPServer(('127.0.0.1', 8123), handler)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    done = dump(world, browser, origin + '/index.html')
    found = re.search(r'RESULT (.*?) END</pre>', done.stdout)
    check_equal(found and found.group(1),
                'etag "1"; value 1 "1"; value 2; urn:gannet:problem:precondition-failed; missing undefined; '
                'delete 204 16; other origin refused', done.stderr[-1500:] if not found else 'what the page saw')
