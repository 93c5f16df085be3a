"""The quick start of the README, word by word, on a few small clips."""
import shutil
import sys

from doc_pages import blocks, commands

from hpnet_plugin.cli import main
from hpnet_plugin.demo import people

# what makes it cheap, and cannot be seen in the README's words
CHEAP = dict(
    extract=['--pose', 'tiny', '--detector', 'frame', '--workers', '0'],
    train=['--cfg-options', 'epochs=1', 'frames=8', 'schedule=small',
           'train_dataloader.batch_size=4'],
    predict=['--device', 'cpu'])


def quick_start():
    """Its commands."""
    block, = (block for block in blocks('') if block.page == 'README.md'
              and 'hpnet extract' in block.text)
    return [words for words in commands(block.text) if words[0] == 'hpnet']


def test_quick_start(tmp_path, monkeypatch, capsys):
    """From videos in folders to an answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['hpnet'])
    people.make_dataset('drawn', clips_per_class=2, test_share=.5,
                        length=8)
    labels = [line.split() for line in
              (tmp_path / 'drawn/labels.txt').read_text().splitlines()]
    names = (tmp_path / 'drawn/classes.txt').read_text().splitlines()
    for clip, label in labels[::2][:2]:
        folder = tmp_path / 'videos' / names[int(label)]
        folder.mkdir(parents=True)
        for number in range(4):
            shutil.copy(f'drawn/videos/{clip}.mp4', folder / f'{number}.mp4')
    shutil.copy(f'drawn/videos/{clip}.mp4', 'new.mp4')
    done = quick_start()
    assert [words[1] for words in done] == list(CHEAP)
    for _, command, *words in done:
        assert main([command, *words, *CHEAP[command]]) == 0, command
    assert 'person 0' in capsys.readouterr().out
    assert len(list(tmp_path.rglob('new*.mp4'))) == 2
