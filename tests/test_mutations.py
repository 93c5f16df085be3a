"""The lists of mutations fit the code that they are to break."""
import runpy


def test_lists(root):
    """Each changes a text that is there once, and names tests that exist."""
    folder = root / 'tests/mutations'
    run = runpy.run_path(str(folder / 'run.py'))
    found = run['read'](sorted(folder.glob('*.toml')))
    assert len(found) >= 100
    names = [(entry['area'], entry['name']) for entry in found]
    assert len(set(names)) == len(names)
    for entry in found:
        for test in entry['tests']:
            path, *node = test.split('::')
            text = (root / path).read_text(encoding='utf-8')
            assert not node or node[-1].split('[')[0] in text, test
