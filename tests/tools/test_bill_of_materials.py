"""What an installation consists of, its licences and known weaknesses."""
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest

pytest.importorskip('cyclonedx', reason='make checks')
ROOT = Path(__file__).resolve().parents[2]
ONLY = ('av', 'lxml', 'opencv-python-headless', 'pillow', 'shapely')


@pytest.fixture(scope='module')
def tools():
    """The folder of the programs, as it is found when they run."""
    sys.path.insert(0, str(ROOT / 'tools'))
    yield
    sys.path.remove(str(ROOT / 'tools'))


@pytest.fixture(scope='module')
def bills(tools, tmp_path_factory):
    """The bill of a few packages, made twice, and the page of the first."""
    from bill_of_materials import main
    folder = tmp_path_factory.mktemp('bills')
    for name in ('one', 'two'):
        assert main(['--out', str(folder / f'{name}.json'), '--page',
                     str(folder / f'{name}.md'), '--only', *ONLY]) == 0
    return folder


@pytest.fixture(scope='module')
def inside(bills):
    """(package, library) -> components."""
    bom = json.loads((bills / 'one.json').read_text())
    assert bom['specVersion'] == '1.6'
    assert {one['name'] for one in bom['components']} == set(ONLY)
    found = {}
    for package in bom['components']:
        assert package['scope'] == (
            'excluded' if package['name'] == 'lxml' else 'required')
        for one in package['components']:
            found.setdefault((package['name'], one['name']), []).append(one)
    return found


def test_the_same_installation_gives_the_same_bytes(bills):
    for suffix in ('.json', '.md'):
        assert (bills / f'one{suffix}').read_bytes() == (
            bills / f'two{suffix}').read_bytes()


def test_libraries_answer_with_their_versions(inside):
    import av
    import shapely
    from lxml import etree
    for name, version in av.library_versions.items():
        one, = inside['av', name]
        assert one['version'] == '.'.join(map(str, version))
    for (package, name), version in {
            ('shapely', 'libgeos_c'): shapely.geos_version_string,
            ('lxml', 'libxml2'): '.'.join(map(str, etree.LIBXML_VERSION)),
            ('opencv-python-headless', 'libpng16'): '1.6.44',
            ('opencv-python-headless', 'libtiff'): '4.6.0',
            ('opencv-python-headless', 'intel-ipp'): '2021.12.0'}.items():
        assert inside[package, name][0]['version'] == version
    # no function of it says, and the number in the file's name is another
    assert 'version' not in inside['av', 'libx264'][0]
    # which Pillow's own bill lists, and its module denies
    assert ('pillow', 'libimagequant') not in inside


def test_every_file_has_its_hash(inside):
    folder = Path(str(distribution('av').locate_file('')))
    hashed = [one for ones in inside.values() for one in ones
              if 'hashes' in one and one['properties'][0]['name']
              == 'hpnet:file']
    files = {one['properties'][0]['value'] for one in hashed}
    for name in ('av.libs', 'opencv_python_headless.libs', 'pillow.libs',
                 'shapely.libs'):
        there = {f'{name}/{path.name}' for path in (folder / name).iterdir()}
        assert there and there <= files
    assert any(name.startswith('cv2/cv2') for name in files)


def test_ffmpeg_says_which_licence_it_has(inside, bills):
    for package, licence in (('av', 'LGPL-3.0-or-later'),
                             ('opencv-python-headless', 'LGPL-2.1-or-later')):
        one, = inside[package, 'libavcodec']
        assert one['licenses'] == [{'license': {
            'id': licence, 'acknowledgement': 'declared'}}]
    page = (bills / 'one.md').read_text()
    strong = page.partition('## Strong copyleft')[2].partition('\n## ')[0]
    assert re.findall(r'(?m)^\| (\w+) .*\| (\w+) \|$', strong) == [
        ('libx264', 'av'), ('libx265', 'av')]


def test_a_file_that_is_not_the_wheels(tools, tmp_path):
    from materials.natives import components
    info = tmp_path / 'mine-1.0.dist-info'
    info.mkdir()
    (tmp_path / 'mine.libs').mkdir()
    (tmp_path / 'mine.libs/libmine.so.1').write_bytes(b'\x7fELF')
    (info / 'METADATA').write_text('Name: mine\nVersion: 1.0\n')
    for digest, wrong in (
            ('-UeFtDOCmMJ90UXmfr2nPTcplonELZ6sW2OC9S8e7HA', 1), ('', 0)):
        digest = digest and f'sha256={digest}'
        (info / 'RECORD').write_text(
            f'mine.libs/libmine.so.1,{digest},4\n')
        found, said = components(PathDistribution(info))
        assert [one['name'] for one in found] == ['libmine']
        assert said == ['mine==1.0: mine.libs/libmine.so.1 is not the file '
                        'of the wheel'] * wrong
    (tmp_path / 'mine.libs/libmine.so.1').unlink()
    assert components(PathDistribution(info))[1] == [
        'mine==1.0: mine.libs/libmine.so.1 is absent']


@pytest.mark.parametrize('expression, kind', [
    ('MIT', 'permissive'), ('GPL-2.0-or-later', 'strong copyleft'),
    ('FTL OR GPL-2.0-only', 'permissive'),
    ('MPL-2.0 AND (Apache-2.0 OR MIT)', 'weak copyleft'),
    ('MIT AND (GPL-2.0-only OR LGPL-2.1-only)', 'weak copyleft'),
    ('GPL-3.0-or-later WITH GCC-exception-3.1', 'weak copyleft'),
    ('LicenseRef-NVIDIA-Proprietary', 'proprietary'), ('Mine', 'unknown'),
])
def test_kinds_of_licences(tools, expression, kind):
    from materials import licences
    assert licences.kind(expression) == kind


def test_the_page_is_of_the_locks(root):
    """Each package that is installed on Linux, in the locked version."""
    page = (root / 'docs/licences.md').read_text()
    shown = {(name.lower().replace('_', '-').replace('.', '-'), version)
             for name, version in re.findall(
                 r'(?m)^\| ([\w.-]+) \| ([\w.+-]+) \|(?: .* \|){3}$', page)}
    for lock in ('lock', 'cluster', 'app'):
        text = (root / f'requirements/{lock}.txt').read_text()
        pins = re.findall(r'(?m)^([\w.-]+)==(\S+)( ;.*)?', text)
        missing = {(name.replace('.', '-'), version)
                   for name, version, marker in pins
                   if not marker.strip(' \\')} - shown
        assert not missing, lock


SILENT = {'name': 'av', 'skip_reason': 'Dependency not found'}
WEAK = {'name': 'x', 'version': '1', 'vulns': [
    {'id': 'PYSEC-1', 'fix_versions': ['1.1'], 'aliases': []}]}
GOOD = {'name': 'y', 'version': '2', 'vulns': []}


@pytest.mark.parametrize('packages, error, status, said', [
    ([GOOD], '', 0, '1 packages asked about, 0 known'),
    ([GOOD, WEAK, SILENT], '', 1, 'x 1: PYSEC-1, corrected in 1.1'),
    ([GOOD, SILENT], '', 3, 'Not asked: av'),
    ([SILENT], '', 3, 'nothing was asked, nothing is known'),
    ([], 'no route', 3, 'requirements/lock.txt: no route'),
])
def test_who_was_not_asked_is_not_well(tools, packages, error, status, said):
    from audit import verdict
    lines, found = verdict([('lock', packages, error)])
    assert found == status and said in '\n'.join(lines)


def test_no_network(root):
    """Nobody listens where the proxy should be."""
    done = subprocess.run(
        [sys.executable, root / 'tools/audit.py', 'browser'],
        env=os.environ | dict.fromkeys(
            ('HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'),
            'http://127.0.0.1:9'),
        capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    line, = done.stdout.splitlines()
    assert line.startswith('The advisory service cannot be reached')
