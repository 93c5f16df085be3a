"""The quick start of the README, word by word, on a few small clips."""
import shutil
import sys

from doc_pages import blocks, commands

from hpnet_plugin.cli import main

# what makes it cheap, and cannot be seen in the README's words
CHEAP = dict(
    extract=['--pose', 'tiny', '--detector', 'frame', '--workers', '0'],
    train=['--small', '--cfg-options', 'epochs=1', 'frames=8',
           'train_dataloader.batch_size=4'],
    predict=['--device', 'cpu'])


def quick_start():
    """Its commands."""
    block, = (block for block in blocks('') if block.page == 'README.md'
              and 'hpnet extract' in block.text)
    return [words for words in commands(block.text) if words[0] == 'hpnet']


def test_quick_start(drawn, tmp_path, monkeypatch, capsys):
    """From videos in folders to an answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['hpnet'])
    labels = dict(line.split(' ', 1) for line in (
        drawn / 'people/labels.txt').read_text().splitlines())
    names = (drawn / 'people/classes.txt').read_text().splitlines()
    for name, label in labels.items():
        if int(label) < 2:
            folder = tmp_path / 'videos' / names[int(label)]
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(3):
                shutil.copy(drawn / f'people/videos/{name}.mp4',
                            folder / f'{name}_{number}.mp4')
    shutil.copy(drawn / f'people/videos/{name}.mp4', 'new.mp4')
    done = quick_start()
    assert [words[1] for words in done] == list(CHEAP)
    for _, command, *words in done:
        assert main([command, *words, *CHEAP[command]]) == 0, command
    assert any(name in capsys.readouterr().out for name in names[:2])
    assert list(tmp_path.glob('*.mp4')) != [tmp_path / 'new.mp4']
