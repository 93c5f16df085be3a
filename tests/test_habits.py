"""Files that people and services look for in a repository."""
import re
import subprocess

import pytest
import yaml

from hpnet_plugin.version import __version__


def load(path):
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def test_citation(root):
    """The form of cff 1.2.0: required keys, and those of a reference."""
    content = load(root / 'CITATION.cff')
    assert content['cff-version'] == '1.2.0'
    assert content['version'] == __version__
    assert {'message', 'title', 'authors'} <= set(content)
    paper = content['preferred-citation']
    assert {'type', 'title', 'authors'} <= set(paper)
    assert paper['url'].endswith('2512.03837')
    for author in content['authors'] + paper['authors']:
        assert set(author) in ({'name'}, {'family-names', 'given-names'})


def test_hooks_and_ci_call_what_is_there(root):
    """Targets of the Makefile, and .ci/run; nothing is downloaded."""
    hooks = load(root / '.pre-commit-config.yaml')['repos']
    assert [repo['repo'] for repo in hooks] == ['local']
    targets = re.findall(r'^(\w+):', (root / 'Makefile').read_text(), re.M)
    for hook in hooks[0]['hooks']:
        make, target = hook['entry'].split()
        assert make == 'make' and target in targets
        assert hook['language'] == 'system'
    steps = load(root / '.github/workflows/ci.yml')['jobs']['test']['steps']
    assert '.ci/run' in [step.get('run') for step in steps]
    text = (root / 'CONTRIBUTING.md').read_text()
    for target in re.findall(r'`make (\w+)', text):
        assert target in targets, target


def test_issue_forms(root):
    """GitHub's form of a form; a bug comes with what the doctor says."""
    for path in (root / '.github/ISSUE_TEMPLATE').glob('*.yml'):
        if path.stem == 'config':
            continue
        form = load(path)
        assert {'name', 'description', 'body'} <= set(form)
        ids = [part['id'] for part in form['body']]
        assert len(set(ids)) == len(ids)
        assert all(part['attributes']['label'] for part in form['body'])
        assert 'doctor' in ids or path.stem == 'feature'


@pytest.mark.parametrize('page', ['CONTRIBUTING.md', 'SECURITY.md',
                                  'docs/zoo.md', *(
        f'docs/extend/{name}.md' for name in (
            'README', 'backbone', 'benchmark', 'stream', 'detector',
            'pose'))])
def test_links_and_files(root, page):
    """Links lead somewhere, and paths in the text are there."""
    path = root / page
    text = re.sub(r'```.*?```', '', path.read_text(), flags=re.S)
    for link in re.findall(r'\]\(([^)#\s]+)', text):
        if '://' not in link:
            assert (path.parent / link).exists(), link
    for name in re.findall(r'`((?:hpnet_plugin|tests|docs|configs|tools|'
                           r'requirements)/[\w./-]+)`', text):
        assert (root / name).exists(), name


def test_no_words_of_one_machine(root):
    """Neither paths of a machine nor hosts of a registry."""
    files = subprocess.run(
        ['git', 'ls-files', 'docs/extend', 'docs/zoo*', '*.md', '.github',
         'CITATION.cff'], cwd=root, text=True, capture_output=True,
        check=False).stdout.split()
    for name in files:
        text = (root / name).read_text(encoding='utf-8', errors='ignore')
        assert not re.search(r'/(?:home|root|work)/\w', text), name
