"""What is written on the pages: code blocks, commands, links, anchors."""
import argparse
import os
import pathlib
import re
import shlex
import sys
from itertools import chain
from typing import NamedTuple

import pytest
from markdown.extensions.toc import slugify

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r'^```([\w.]*)[^\n]*\n(.*?)^```', re.MULTILINE | re.DOTALL)
SPAN = re.compile(r'(?<!`)`([^`]+)`(?!`)')


class Block(NamedTuple):
    """A code block: its page, its number on it, language and text."""
    page: str
    number: int
    language: str
    text: str

    def __str__(self):
        return f'{self.page}-{self.number}'


def pages():
    """Every page, as a path from the root; links to folders are not followed.
    """
    found = [ROOT / 'README.md', ROOT / 'configs/README.md']
    for folder in ('docs', 'configs'):
        for here, _, names in os.walk(ROOT / folder):
            found += [pathlib.Path(here, name) for name in names
                      if name.endswith('.md')]
    return sorted({path.relative_to(ROOT).as_posix() for path in found})


def text_of(page):
    """A page without its code blocks."""
    return FENCE.sub('', (ROOT / page).read_text(encoding='utf-8'))


def blocks(*languages):
    """Code blocks of all pages in some languages; '' where none is named."""
    return [Block(page, number, *found)
            for page in pages()
            for number, found in enumerate(
                FENCE.findall((ROOT / page).read_text(encoding='utf-8')))
            if found[0] in languages]


def commands(text):
    """The commands of a block of shell, as lists of words.

    Comments, continued lines, variables, the words of a loop and braces are
    understood as a shell would; of a loop, the first round is taken.
    """
    found, names = [], {}
    for line in _logical_lines(text):
        words = [_filled(word, names) for word in
                 shlex.split(line, comments=True)]
        if not words:
            continue
        if re.fullmatch(r'\w+=.*', words[0], re.DOTALL) and len(words) == 1:
            name, _, value = words[0].partition('=')
            names[name] = value
            continue
        if words[0] == 'for':
            names[words[1]] = words[3].rstrip(';')
            continue
        if words[0] in ('do', 'done'):
            continue
        words = list(chain.from_iterable(
            word.split() if '--' in word and ' ' in word else _braces(word)
            for word in words))
        while words:
            end = next((i for i, word in enumerate(words)
                        if word in ('&&', '|', ';')), len(words))
            found.append(words[:end])
            words = words[end + 1:]
    return found


def _logical_lines(text):
    """Lines of a block; one that is continued or quoted goes on."""
    line = ''
    for part in text.replace('\\\n', ' ').splitlines():
        line += part
        if line.count('"') % 2:
            line += ' '
            continue
        yield line
        line = ''


def _filled(word, names):
    """A word with its variables."""
    for name, value in names.items():
        word = word.replace(f'${{{name}}}', value)
        word = re.sub(rf'\${name}\b', value, word)
    return word


def _braces(word):
    """``a{b,c}`` as ``ab`` and ``ac``."""
    found = re.fullmatch(r'(.*?){([^{}]*,[^{}]*)}(.*)', word, re.DOTALL)
    if not found:
        return [word]
    return list(chain.from_iterable(
        _braces(found[1] + part + found[3]) for part in found[2].split(',')))


def anchors(page):
    """Anchors of a page's headings, as mkdocs and GitHub make them."""
    found = []
    for heading in re.findall(r'^#+ (.+?)\s*#*$', text_of(page),
                              re.MULTILINE):
        heading = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading)
        found.append(slugify(heading.replace('`', ''), '-'))
    return found


def links(page):
    """Targets of a page's links and pictures."""
    text = text_of(page)
    return re.findall(r'\]\(([^)\s]+)\)', text) + re.findall(
        r'(?:src|srcset)="([^"]+)"', text)


class Understood(Exception):  # noqa: N818
    """Raised instead of what follows the parsing."""


def parsed(call, *words, argv=None):
    """Call a program until its command line is parsed; what it says."""
    seen = []
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        seen.append(parse(self, args, namespace))
        raise Understood

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', parse_only)
        if argv is not None:
            patch.setattr(sys, 'argv', argv)
        with pytest.raises(Understood):
            call(*words)
    return seen[-1]
