"""The native files of an installed package, with hashes and versions."""
from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from materials import probes
from materials.licences import of_library, said_by_ffmpeg

Component = dict[str, Any]
PROBES = Path(__file__).with_name('probes.py')
NATIVE = re.compile(r'\.(so(\.[\w.]+)?|dylib|pyd|dll|jar|a)$')
MAGIC = (b'\x7fELF', b'\xcf\xfa\xed\xfe', b'MZ')  # programs have no suffix
EXTENSION = re.compile(r'\.(cpython-\w[\w-]*|abi3)\.so$|\.pyd$')


def name_of(dist: Distribution) -> str:
    """'PyYAML' -> 'pyyaml', as the locks write it."""
    return re.sub(r'[-_.]+', '-', dist.metadata['Name']).lower()


def native_files(dist: Distribution) -> Iterator[tuple[str, Path, str]]:
    """(path in the installation, whole path, sha256 that the wheel gives)."""
    for file in sorted(dist.files or (), key=str):
        path = Path(str(dist.locate_file(file)))
        if not NATIVE.search(path.name):
            if path.suffix and not re.fullmatch(r'\.\d+', path.suffix):
                continue
            if not path.is_file() or not _begins_as_program(path):
                continue
        stated = ''
        if file.hash and file.hash.mode == 'sha256':
            stated = base64.urlsafe_b64decode(file.hash.value + '=').hex()
        yield str(file), path, stated


def _begins_as_program(path: Path) -> bool:
    with path.open('rb') as stream:
        return stream.read(4).startswith(MAGIC)


def short(file: str) -> str:
    """'av.libs/libx264-d6533a8d.so.165' -> 'libx264'."""
    name = re.sub(r'\.(so|dylib|dll|pyd)\b.*', '', Path(file).name)
    return re.sub(r'[-.][0-9a-f]{8}\b.*|\.(cpython|abi3)\b.*', '', name)


def components(dist: Distribution) -> tuple[list[Component], list[str]]:
    """The components inside one package, and what is wrong with its files.

    Args:
        dist: The installed package.

    Returns:
        A component a native file; one for each library that the package's
        module, or a bill of materials in the wheel, says is built in; and a
        line for each file that is absent, or is not the wheel's.
    """
    name, found, wrong = name_of(dist), [], []
    ref = f'{dist.metadata["Name"]}=={dist.version}'
    files = list(native_files(dist))
    said, inside = answers(name, [(file, path) for file, path, _ in files
                                  if not EXTENSION.search(file)])
    for file, path, stated in files:
        if not path.is_file():
            wrong.append(f'{ref}: {file} is absent')
            continue
        with path.open('rb') as stream:
            digest = hashlib.file_digest(stream, 'sha256').hexdigest()
        if stated and digest != stated:
            wrong.append(f'{ref}: {file} is not the file of the wheel')
        found.append(_component(ref, file, digest, said.get(file, {})))
    absent = [library for library, version in inside
              if version == probes.ABSENT]
    for library, version in inside:
        if library not in absent:
            found.append(_stated(f'{ref}#inside/{library}', dict(
                name=library, version=version), 'the package, when asked'))
    found += [one for one in _own_bills(dist, ref)
              if one['name'] not in absent]
    return found, wrong


def _component(ref: str, file: str, digest: str,
               said: dict[str, str]) -> Component:
    extension = EXTENSION.search(file)
    component = dict(
        {'bom-ref': f'{ref}#{file}'}, type='file' if extension else 'library',
        name=file if extension else short(file),
        hashes=[dict(alg='SHA-256', content=digest)])
    facts = dict(file=file)
    if said.get('version'):
        component['version'] = said['version']
        facts['version-from'] = 'the library, when asked'
    if 'silent' in said:
        facts['silent'] = said['silent']
    if 'configuration' in said:
        facts['configuration'] = said['configuration']
    licence = (said_by_ffmpeg(said['license']) if 'license' in said
               else None if extension else of_library(short(file)))
    if licence:
        component['licenses'] = [licence]
    component['properties'] = properties(facts)
    return component


def properties(facts: dict[str, str]) -> list[dict[str, str]]:
    """{'file': 'x'} -> what CycloneDX calls properties."""
    return [dict(name=f'hpnet:{key}', value=value)
            for key, value in facts.items()]


def _stated(ref: str, said: Component, source: str) -> Component:
    component = {'bom-ref': ref, 'type': 'library', 'name': said['name']}
    if said.get('version'):
        component['version'] = said['version']
    for key in ('purl', 'hashes'):
        if said.get(key):
            component[key] = said[key]
    licences = said.get('licenses') or [of_library(said['name'])]
    if licences[0]:
        component['licenses'] = [
            {**one, 'acknowledgement': 'declared'} if 'expression' in one
            else one for one in licences]
    component['properties'] = properties({'version-from': source})
    return component


def _own_bills(dist: Distribution, ref: str) -> Iterator[Component]:
    """What the bills of materials say that came with the wheel."""
    seen = set()
    for file in sorted(dist.files or (), key=str):
        if '.dist-info/sboms/' not in file.as_posix():
            continue
        for said in json.loads(file.read_text()).get('components', ()):
            key = said['name'], said.get('version')
            if key in seen or re.sub('[-_.]+', '-', said['name']).lower(
                    ) == name_of(dist) or '#c-ext/' in said.get('purl', ''):
                continue
            seen.add(key)
            said.pop('purl' if 'file:' in said.get('purl', '') else '', None)
            yield _stated(f'{ref}#stated/{"@".join(map(str, key))}', said,
                          Path(str(file)).name)


def answers(name: str, files: list[tuple[str, Path]]
            ) -> tuple[dict[str, dict[str, str]], list[tuple[str, str]]]:
    """What the libraries of a package say, asked in a process of their own."""
    said: dict[str, dict[str, str]] = {}
    inside, asking = [], ''
    known = [(file, path) for file, path in files
             if any(path.name.startswith(one) for one in probes.PROBES)]
    if not known and name not in probes.INSIDE or name.startswith('nvidia-'):
        return said, inside
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', PROBES], text=True,
        capture_output=True, input=json.dumps(dict(
            wheel=name, files={file: str(path) for file, path in known})))
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        if 'inside' in answer:
            inside.append((answer['inside'], answer['version']))
        elif 'file' in answer:
            said[answer.pop('file')] = answer
        else:
            asking = answer['asking']
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        said[asking] = dict(silent=f'exit status {done.returncode}: {last}')
    return said, inside
