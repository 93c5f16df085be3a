"""The extraction on videos of drawn people, by the command line."""
import filecmp
import json
import os
import pickle
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import hpnet_plugin  # noqa: F401
from hpnet_plugin.apis.estimators import EstimatorError, build_pose
from hpnet_plugin.demo import people
from hpnet_plugin.estimation.weight_files import WeightsError
from hpnet_plugin.facts import read_facts, read_record
from hpnet_plugin.store import FeatureStore

TAP = 'backbone.stage4.0.branches.1'
SECOND = 'backbone.stage4.0.branches.2'


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Ten short clips, their true boxes, labels and splits."""
    folder = tmp_path_factory.mktemp('source')
    (folder / 'videos').mkdir()
    boxes = {}
    for i in range(10):
        clip = people.make_clip(i % 8, i // 8, length=12)
        people.save_video(str(folder / f'videos/c{i}.mp4'), clip.frames)
        boxes[f'c{i}'] = [[[*box, 1.] for box in frame]
                          for frame in clip.boxes.transpose(1, 0, 2).tolist()]
    names = sorted(boxes)
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    (folder / 'labels.txt').write_text(
        ''.join(f'c{i} {i % 8}\n' for i in range(10)))
    (folder / 'classes.txt').write_text('\n'.join(people.CLASSES))
    (folder / 'splits.json').write_text(
        json.dumps(dict(train=names[:7], test=names[7:])))
    return folder


@pytest.fixture(scope='module')
def main(tool):
    """main() of hpnet extract."""
    return tool('extract').main


def arguments(root, videos, out, *more):
    return [
        str(videos / 'videos'), '--out', str(out), '--pose',
        str(root / 'configs/pose/tiny_hrnet.py'), '--checkpoint',
        str(root / 'hpnet_plugin/estimation/tiny_pose.pth'), '--tap', TAP,
        '--detector', f'boxes:{videos / "boxes.json"}', '--batch', '16', *more
    ]


def labelled(videos):
    return ('--labels', str(videos / 'labels.txt'), '--classes',
            str(videos / 'classes.txt'), '--splits',
            str(videos / 'splits.json'))


@pytest.fixture(scope='module')
def few(videos, tmp_path_factory):
    """Two of the clips, where more would show no more."""
    folder = tmp_path_factory.mktemp('few')
    (folder / 'videos').mkdir()
    for name in ('c0', 'c9'):
        os.symlink(videos / f'videos/{name}.mp4',
                   folder / f'videos/{name}.mp4')
    (folder / 'labels.txt').write_text('c0 0\nc9 1\n')
    (folder / 'splits.json').write_text('{"train": ["c0"], "test": ["c9"]}')
    for name in ('boxes.json', 'classes.txt'):
        shutil.copy(videos / name, folder)
    return folder


@pytest.fixture(scope='module')
def dataset(root, videos, main, tmp_path_factory):
    """A dataset folder, extracted once for many tests."""
    out = tmp_path_factory.mktemp('extracted') / 'data'
    assert main(arguments(root, videos, out, *labelled(videos), '--tap',
                          SECOND, '--crops')) == 0
    return out


def test_dataset_folder(dataset):
    with open(dataset / 'annotations.pkl', 'rb') as file:
        annotations = pickle.load(file)
    assert len(annotations['split']['train']) == 7
    assert len(annotations['split']['test']) == 3
    assert (dataset / 'classes.txt').read_text().splitlines() == list(
        people.CLASSES)
    record = json.loads((dataset / 'extraction.json').read_text())
    assert record['clips'] == dict(found=10, stored=10, nobody=0,
                                   damaged=0, failed=0)
    assert record['frames'] == 120 and record['failures'] == {}
    assert record['taps'] == {TAP: 32, SECOND: 48}
    assert len(record['pose']['sha256']) == 64
    store = FeatureStore(dataset / 'features')
    for one in annotations['annotations']:
        people_, frames = one['keypoint'].shape[:2]
        assert frames == one['total_frames'] == 12
        assert one['keypoint'].shape == (people_, 12, 17, 2)
        assert one['keypoint_score'].shape == (people_, 12, 17)
        assert one['label'] == int(one['frame_dir'][1:]) % 8
        assert store.read(one['frame_dir'], TAP).shape == (people_, 12, 17, 32)
        assert store.read(one['frame_dir'], [TAP, SECOND]).shape[-1] == 80


def test_joints_are_where_the_people_are(dataset):
    """The joints of the clip in which the actor is alone, within a tenth."""
    store = FeatureStore(dataset / 'features')
    near = []
    for i in range(10):
        clip = people.make_clip(i % 8, i // 8, length=12)
        height = np.ptp(clip.boxes[..., 1::2], -1)  # (P, T)
        found = store.read(f'c{i}', 'keypoint')
        distance = np.linalg.norm(
            found[:, None, :, 5:] - clip.joints[None, ..., 5:, :], axis=-1)
        # whoever is in slot 0 is one of the people in the clip
        near.append((distance[0] < height[..., None] / 10).mean((1, 2)).max())
    assert np.mean(near) > 0.85


def test_stock_dataset_reads_it(dataset):
    from mmaction.datasets import PoseDataset
    stock = PoseDataset(str(dataset / 'annotations.pkl'), pipeline=[],
                        split='test')
    assert len(stock) == 3
    assert {item['frame_dir'] for item in stock} == {'c7', 'c8', 'c9'}


def test_crops_share_the_timeline(dataset):
    from hpnet_plugin.estimation.video import read_frames
    for i in (0, 9):
        frames = [frame for _, some in read_frames(
            str(dataset / f'crops/c{i}.mp4')) for frame in some]
        assert len(frames) == 12
        assert frames[0].shape == (256, 256, 3)
        # the person, not the room, fills the picture
        assert np.mean([frame.std() for frame in frames]) > 20


def test_running_again_changes_nothing(root, videos, main, dataset):
    before = {path: path.stat().st_mtime_ns
              for path in (dataset / 'features').iterdir()
              if path.suffix != '.lock'}
    assert main(arguments(root, videos, dataset, *labelled(videos), '--tap',
                          SECOND, '--crops')) == 0
    assert before == {path: path.stat().st_mtime_ns
                      for path in (dataset / 'features').iterdir()
                      if path.suffix != '.lock'}


def test_other_settings_are_refused(root, videos, main, dataset, capsys):
    assert main(arguments(root, videos, dataset, *labelled(videos), '--tap',
                          SECOND, '--region', '3')) == 2
    assert 'region' in capsys.readouterr().err


def test_an_image_net_beside_the_pose_net(root, videos, main, tmp_path,
                                          capsys, monkeypatch):
    """Its weights are recorded: others are refused, then and later."""
    file = tmp_path / 'net.safetensors'
    torch.manual_seed(0)
    save_file(timm.create_model('test_resnet').state_dict(), file)
    command = arguments(
        root, videos, tmp_path / 'data', '--workers', '0',
        '--max-frames', '2', '--tap', f'timm/test_resnet={file}:layer2',
        '--tap', f'{TAP}@ring')
    (tmp_path / 'one').mkdir()
    shutil.copy(videos / 'videos/c0.mp4', tmp_path / 'one')
    command[0] = str(tmp_path / 'one')
    assert main(command) == 0
    name = 'timm/test_resnet=net.safetensors'
    store = FeatureStore(tmp_path / 'data/features')
    assert list(store.taps) == [TAP, f'{name}:layer2', f'{TAP}@ring']
    assert store.read('c0', f'{name}:layer2').any()
    assert (store.read('c0', f'{TAP}@ring') != store.read('c0', TAP)).any()

    record = json.loads((tmp_path / 'data/extraction.json').read_text())
    model = SimpleNamespace(name='model', extraction=record)
    config, checkpoint = command[4], command[6]
    monkeypatch.setenv('HPNET_WEIGHTS', str(tmp_path))
    extractor = build_pose(model, store.taps, 'cpu', config, checkpoint)
    assert extractor.taps == store.taps
    assert extractor.record['image_nets'] == record['image_nets']

    save_file(timm.create_model('test_resnet').state_dict(), file)
    capsys.readouterr()
    assert main(command) == 2
    assert 'image_nets' in capsys.readouterr().err
    with pytest.raises(EstimatorError, match='is another image net than'):
        build_pose(model, store.taps, 'cpu', config, checkpoint)
    file.unlink()
    with pytest.raises(WeightsError, match='put it into'):
        build_pose(model, store.taps, 'cpu', config, checkpoint)


def test_splits_must_be_given_again(root, videos, main, dataset, capsys):
    """Not to be divided anew: clips would go from test to train."""
    before = (dataset / 'annotations.clips.json').read_bytes()
    no_splits = labelled(videos)[:4]
    assert main(arguments(root, videos, dataset, *no_splits)) == 2
    error = capsys.readouterr().err
    assert 'was given splits (splits.json); give them again' in error
    assert main(arguments(root, videos, dataset)) == 2
    assert 'was given labels; give them again' in capsys.readouterr().err
    # of a version that had no dataset.json
    facts = dataset / 'dataset.json'
    content = facts.read_bytes()
    facts.unlink()
    assert main(arguments(root, videos, dataset, *no_splits)) == 2
    facts.write_bytes(content)
    assert (dataset / 'annotations.clips.json').read_bytes() == before


def test_facts_of_the_folder(dataset):
    facts = read_facts(str(dataset))
    assert facts.classes == tuple(people.CLASSES)
    assert (facts.people, facts.frames) == (2, 16)
    assert facts.taps == {TAP: 32, SECOND: 48}
    assert facts.splits == dict(train=7, test=3)
    assert facts.use == dict(train='train', val='test', test='test')
    assert (facts.schedule, facts.benchmark) == ('short', None)
    assert facts.name == dataset.name
    record = read_record(str(dataset))
    assert record['split_rule'] == {'by': 'given', 'from': 'splits.json'}
    assert record['clips']['stored'] == 10
    assert record['detector']['name'].startswith('boxes')
    assert len(record['pose']['sha256']) == 64
    assert record['settings']['max_people'] == 2
    # all of them have 12 frames, at the rate of people.save_video
    fps = FeatureStore(dataset / 'features').info('c0')['fps']
    assert record['fps'] == fps
    assert record['clips']['seconds'] == dict.fromkeys(
        ('median', 'longest'), 12 / fps)


def test_nets_by_name(root, videos, main, dataset, tmp_path):
    """A folder that was begun with files goes on with their names."""
    out = shutil.copytree(dataset, tmp_path / 'data')
    meta = (out / 'features/meta.json').read_bytes()
    args = arguments(root, videos, out, *labelled(videos), '--tap', SECOND,
                     '--workers', '0')
    args[args.index('--pose') + 1] = 'tiny'
    at = args.index('--checkpoint')
    assert 'zoo' not in read_record(str(out))['pose']
    assert main(args[:at] + args[at + 2:]) == 0
    assert (out / 'features/meta.json').read_bytes() == meta
    for record in (read_record(str(out)), json.loads(
            (out / 'extraction.json').read_text())):
        assert record['pose']['zoo'] == 'tiny'
        assert 'zoo' not in record['detector']


def test_transform_gives_what_the_store_has(root, videos, dataset):
    """PooledHeatmapExtraction in a stock pipeline, on the same boxes."""
    from mmaction.utils import register_all_modules
    from mmengine.dataset import Compose
    register_all_modules()
    pipeline = Compose([
        dict(type='PyAVInit'),
        dict(type='DenseSampleFrames', clip_len=12, frame_interval=1,
             num_sample_positions=1, num_clips=1, test_mode=True),
        dict(type='PyAVDecode'),
        dict(
            type='PooledHeatmapExtraction',
            pose=str(root / 'configs/pose/tiny_hrnet.py'),
            checkpoint=str(root / 'hpnet_plugin/estimation/tiny_pose.pth'),
            taps=[TAP, SECOND]),
    ])
    store = FeatureStore(dataset / 'features')
    boxes = json.loads((videos / 'boxes.json').read_text())
    results = pipeline(dict(
        filename=str(videos / 'videos/c3.mp4'), start_index=0,
        person_boxes=boxes['c3']))
    np.testing.assert_allclose(
        results['keypoint'], store.read('c3', 'keypoint'), atol=.1)
    np.testing.assert_allclose(
        results['pooled_feat'], store.read('c3', [TAP, SECOND]), rtol=.05,
        atol=.02)
    assert results['pooled_feat'].dtype == np.float16
    # joints that are already known drive the pooling too
    again = pipeline(dict(
        filename=str(videos / 'videos/c3.mp4'), start_index=0,
        keypoint=store.read('c3', 'keypoint')))
    assert again['pooled_feat'].shape == results['pooled_feat'].shape
    np.testing.assert_array_equal(again['keypoint'],
                                  store.read('c3', 'keypoint'))


def with_joints(root, videos, out, file):
    args = arguments(root, videos, out, '--joints', str(file))
    at = args.index('--detector')
    return args[:at] + args[at + 2:]


def test_given_joints_drive_the_pooling(root, videos, main, tmp_path, dataset):
    """annotations.pkl of one extraction, taken in by another."""
    out = tmp_path / 'out'
    assert main(with_joints(root, videos, out,
                            dataset / 'annotations.pkl')) == 0
    first, second = (FeatureStore(folder / 'features')
                     for folder in (dataset, out))
    assert second.meta['persons'] == 'given'
    assert second.meta['detector']['name'] == 'joints:annotations.pkl'
    assert len(second.meta['detector']['sha256']) == 64
    for name in first.names:
        for key in ('keypoint', 'keypoint_score'):
            np.testing.assert_allclose(second.read(name, key),
                                       first.read(name, key), rtol=1e-5)
        # the same places, seen through crops around the joints
        there = first.read(name, 'keypoint_score').min((0, 2)) > 0
        old, new = (store.read(name, TAP).astype(float)[:, there].ravel()
                    for store in (first, second))
        assert np.corrcoef(old, new)[0, 1] > 0.7
    with open(out / 'annotations.pkl', 'rb') as file:
        found = pickle.load(file)
    with open(dataset / 'annotations.pkl', 'rb') as file:
        expected = pickle.load(file)
    assert found['split'] == expected['split']
    assert [a['label'] for a in found['annotations']] == [
        a['label'] for a in expected['annotations']]


def test_given_joints_of_another_cut(root, videos, main, tmp_path, dataset,
                                     capsys):
    with open(dataset / 'annotations.pkl', 'rb') as file:
        given = pickle.load(file)['annotations']
    short = dict(given[0], total_frames=7, **{
        key: given[0][key][:, :7] for key in ('keypoint', 'keypoint_score')})
    with open(tmp_path / 'short.pkl', 'wb') as file:
        pickle.dump([short, *given[1:3]], file)
    assert main(with_joints(root, videos, tmp_path / 'out',
                            tmp_path / 'short.pkl')) == 3
    printed = capsys.readouterr().out
    assert '7 of 10 clips are left out' in printed
    assert 'more frames than the 7 that joints:short.pkl gives' in printed
    assert len(FeatureStore(tmp_path / 'out/features')) == 2


def test_bad_clips_are_named_and_the_rest_goes_on(root, videos, main, tmp_path,
                                                  capsys):
    source = tmp_path / 'videos'
    source.mkdir()
    os.symlink(videos / 'videos/c0.mp4', source / 'c0.mp4')
    os.symlink(videos / 'videos/c1.mp4', source / 'c1.mp4')
    (source / 'empty.mp4').touch()
    (source / 'text.mp4').write_text('no video')
    boxes = json.loads((videos / 'boxes.json').read_text())
    boxes['empty'] = boxes['text'] = boxes['c0']
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    args = arguments(root, videos, tmp_path / 'out')
    args[0] = str(source)
    args[args.index('--detector') + 1] = f'boxes:{tmp_path / "boxes.json"}'
    assert main(args) == 3
    printed = capsys.readouterr().out
    for text in ('2 clips failed', 'empty: ', 'is an empty file', 'text: ',
                 'no readable video'):
        assert text in printed
    record = json.loads((tmp_path / 'out/extraction.json').read_text())
    assert sorted(record['failures']) == ['empty', 'text']
    assert FeatureStore(tmp_path / 'out/features').names == ['c0', 'c1']
    # mended, but not tried again unless that is asked for
    for name in ('empty', 'text'):
        (source / f'{name}.mp4').unlink()
        os.symlink(videos / 'videos/c2.mp4', source / f'{name}.mp4')
    assert main(args) == 3
    assert len(FeatureStore(tmp_path / 'out/features')) == 2
    assert main([*args, '--retry']) == 0
    record = json.loads((tmp_path / 'out/extraction.json').read_text())
    assert record['failures'] == {}
    assert len(FeatureStore(tmp_path / 'out/features')) == 4


def test_a_clip_without_people_is_kept(root, few, main, tmp_path, capsys):
    """As zeros, marked, in its split, with crops; or as the option says."""
    boxes = json.loads((few / 'boxes.json').read_text())
    boxes['c9'] = [[] for _ in range(12)]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    for option, people_found in (('zeros', 0), ('frame', 1), ('fail', None)):
        out = tmp_path / option
        args = arguments(root, few, out, *labelled(few), '--nobody',
                         option, '--crops')
        args[args.index('--detector') + 1] = f'boxes:{tmp_path / "boxes.json"}'
        assert main(args) == (3 if option == 'fail' else 0)
        printed = capsys.readouterr().out
        store = FeatureStore(out / 'features')
        with open(out / 'annotations.pkl', 'rb') as file:
            content = pickle.load(file)
        if option == 'fail':
            assert 'c9: nobody found in 12 frames' in printed
            assert '1 clip failed' in printed and 'c9' not in store
            continue
        assert 'in 1 of them no person was found' in printed
        assert 'c9' in content['split']['test']
        marked, = [one for one in content['annotations']
                   if one['frame_dir'] == 'c9']
        assert marked['nobody'] and marked['keypoint'].shape == (1, 12, 17, 2)
        for key in ('keypoint', 'keypoint_score', TAP):
            assert store.read('c9', key).any() == bool(people_found)
        record = json.loads((out / 'extraction.json').read_text())
        assert record['clips'] == dict(found=2, stored=2, nobody=1,
                                       damaged=0, failed=0)
        from hpnet_plugin.estimation.video import probe
        assert probe(str(out / 'crops/c9.mp4')).frames == 12


def test_headed_for_a_length(root, videos, main, tmp_path):
    """--length: what ResizeTemporal makes of the whole clip."""
    from hpnet_plugin.datasets.transforms import ResizeTemporal
    source = tmp_path / 'videos'
    source.mkdir()
    boxes = {}
    for i, frames in enumerate((20, 7, 5)):
        clip = people.make_clip(i, 0, length=frames)
        people.save_video(str(source / f'c{i}.mp4'), clip.frames)
        boxes[f'c{i}'] = [[[*box, 1.] for box in frame]
                          for frame in clip.boxes.transpose(1, 0, 2).tolist()]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    for name, option in (('whole', ()), ('short', ('--length', '7'))):
        args = arguments(root, videos, tmp_path / name, '--crops', *option)
        args[0] = str(source)
        args[args.index('--detector') + 1] = f'boxes:{tmp_path / "boxes.json"}'
        assert main(args) == 0
    whole, short = (FeatureStore(tmp_path / name / 'features')
                    for name in ('whole', 'short'))
    for name in whole.names:
        expected = ResizeTemporal(7)({
            'keypoint': whole.read(name, 'keypoint'),
            'keypoint_score': whole.read(name, 'keypoint_score'),
            'pooled_feat': whole.read(name, TAP)})
        for key, tap in (('keypoint', 'keypoint'), ('pooled_feat', TAP),
                         ('keypoint_score', 'keypoint_score')):
            np.testing.assert_array_equal(short.read(name, tap),
                                          expected[key])
        from hpnet_plugin.estimation.video import probe
        assert probe(str(tmp_path / f'short/crops/{name}.mp4')).frames == 7
        times = short.read(name, 'timestamp')
        frames = whole.shape(name, TAP)[1]
        step = whole.read(name, 'timestamp')[1]
        np.testing.assert_allclose(
            times, ((np.arange(7) + .5) * frames / 7 - .5).clip(
                0, frames - 1) * step, atol=1e-6)


def test_the_last_files_cannot_be_written(root, few, main, tmp_path,
                                          capsys):
    """After hours of work: said in a line, and the features are safe."""
    (tmp_path / 'out/annotations.pkl').mkdir(parents=True)
    assert main(arguments(root, few, tmp_path / 'out')) == 2
    assert 'annotations.pkl is a folder' in capsys.readouterr().err
    (tmp_path / 'out/annotations.pkl').rmdir()
    assert main(arguments(root, few, tmp_path / 'out')) == 0


def test_names_are_listed(root, main, capsys):
    assert main(['--list-models']) == 0
    printed = capsys.readouterr().out
    for name in ('hrnet-w48-simcc', 'rtmpose-m', 'rtmdet-m', 'hog'):
        assert name in printed


def test_the_source_alone_is_a_command(videos, main, tmp_path, capsys):
    """It takes the best that is installed, and says what it took."""
    source = tmp_path / 'videos'
    source.mkdir()
    os.symlink(videos / 'videos/c0.mp4', source / 'c0.mp4')
    (source / '.hidden.mp4').touch()
    assert main([str(source), '--out', str(tmp_path / 'mine')]) == 0
    printed = capsys.readouterr().out
    assert 'pose net: ' in printed and 'detector: ' in printed
    assert '.hidden.mp4: hidden' in printed
    assert '1 of 1 clip stored, 12 frames' in printed


def test_who_is_busy_with_a_folder_is_named(root, few, main, tmp_path,
                                            capsys):
    from hpnet_plugin.store import StoreWriter
    assert main(arguments(root, few, tmp_path / 'out')) == 0
    meta = FeatureStore(tmp_path / 'out/features').meta
    with StoreWriter(tmp_path / 'out/features', meta):
        assert main(arguments(root, few, tmp_path / 'out')) == 2
    assert str(os.getpid()) in capsys.readouterr().err


@pytest.mark.parametrize('change, message', [
    (('--labels', 'a 1'), '10 of 10 clips have no label'),
    (('--splits', '{"train": ["c0", "x9"]}'), 'unknown clips: x9'),
    (('--detector', 'yolo'), 'hog'),
    (('--tap', 'backbone.stage9'), 'closest'),
    (('--checkpoint', 'none.pth'), 'no such checkpoint'),
])
def test_wrong_usage(root, videos, main, tmp_path, capsys, change, message):
    option, value = change
    if option in ('--labels', '--splits'):
        path = tmp_path / 'file'
        path.write_text(value)
        value = str(path)
    args = arguments(root, videos, tmp_path / 'out', option, value)
    assert main(args) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_fewer_frames_than_asked_and_fewer_kept(root, few, main, tmp_path):
    for most, frames in ((5, 5), (50, 12)):
        out = tmp_path / str(most)
        assert main(arguments(root, few, out, '--max-frames',
                              str(most))) == 0
        store = FeatureStore(out / 'features')
        assert store.shape('c0', TAP)[1] == frames
    # the boxes of the frames that were kept, not of the first ones
    whole, some = (FeatureStore(tmp_path / most / 'features').read(
        'c0', 'keypoint') for most in ('50', '5'))
    np.testing.assert_allclose(some, whole[:, [1, 3, 6, 8, 10]], atol=.1)


def test_shards_fill_one_folder(root, videos, main, tmp_path, dataset):
    for part in (2, 1):
        assert main(arguments(
            root, videos, tmp_path / 'out', *labelled(videos), '--tap', SECOND,
            '--shard', f'{part}/2')) == 0
    whole = FeatureStore(dataset / 'features')
    parts = FeatureStore(tmp_path / 'out/features')
    assert parts.names == whole.names
    for name in whole.names:
        np.testing.assert_array_equal(parts.read(name, TAP),
                                      whole.read(name, TAP))
    with open(tmp_path / 'out/annotations.pkl', 'rb') as file:
        assert len(pickle.load(file)['annotations']) == 10


def same_files(one, other):
    """Whether two feature folders have the same files, byte for byte."""
    names = [sorted(path.name for path in folder.iterdir()
                    if path.suffix != '.lock') for folder in (one, other)]
    assert names[0] == names[1]
    _, differ, errors = filecmp.cmpfiles(one, other, names[0], shallow=False)
    return not differ and not errors


@pytest.fixture(scope='module')
def soak(tool):
    """tools/soak.py: extractions in processes that come to harm."""
    module = tool('soak')
    module.SHARD_BYTES = 40_000  # a clip or two each
    return module


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(scope='module')
def whole(root, videos, soak, tmp_path_factory):
    """What an extraction in small shards leaves that nobody stops."""
    out = tmp_path_factory.mktemp('whole') / 'out'
    assert status_of(soak.run(arguments(root, videos, out))) == 0
    assert len(list((out / 'features').glob('*.safetensors'))) > 4
    return out


@pytest.mark.parametrize('number, status', [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143),
    (signal.SIGINT, 130)])
def test_stopped_and_resumed_is_the_same_store(root, videos, tmp_path, soak,
                                               whole, number, status):
    """Stopped in the middle, resumed: byte for byte the same features."""
    features = tmp_path / 'cut/features'
    pid = soak.run(arguments(root, videos, tmp_path / 'cut'))
    while len(list(features.glob('*.safetensors'))) < 3:
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        time.sleep(.002)
    os.kill(pid, number)
    assert status_of(pid) == status
    assert not (tmp_path / 'cut/annotations.pkl').exists()
    assert status_of(soak.run(arguments(root, videos, tmp_path / 'cut'))) == 0
    assert soak.differences(whole, tmp_path / 'cut') == []


def test_killed_at_calls_that_change_files(root, videos, tmp_path, soak,
                                           whole):
    """Between a shard and its index, among others; 5 kills, one folder."""
    args = arguments(root, videos, tmp_path / 'cut')
    for number in (3, 11, 17, 29, 6):
        status = status_of(soak.run(args, lambda n=number: soak.kill_at_call(
            n)))
        assert status == -signal.SIGKILL
    assert status_of(soak.run(args)) == 0
    assert soak.differences(whole, tmp_path / 'cut') == []


def test_the_number_of_processes_changes_nothing(root, videos, main,
                                                 tmp_path):
    """In this process and in three: the same bytes."""
    for workers in '03':
        assert main(arguments(root, videos, tmp_path / workers, '--workers',
                              workers)) == 0
    assert same_files(tmp_path / '0/features', tmp_path / '3/features')


def test_full_disk(root, videos, tmp_path, soak, whole):
    """The system refuses a file: named, nothing lost, then resumed."""
    out = tmp_path / 'out'
    args = arguments(root, videos, out)
    assert status_of(soak.run(args, lambda: soak.fill_disk(30_000))) == 1
    log = (tmp_path / 'out.log').read_text()
    assert 'no space for' in log and 'make room' in log
    assert status_of(soak.run(args)) == 0
    assert soak.differences(whole, out) == []


REAL_TAP = 'hybridsequential0_relu4_fwd'


@pytest.fixture(scope='module')
def real(shared, main, tmp_path_factory):
    """The two real clips with a real pose net and given boxes."""
    out = tmp_path_factory.mktemp('ntu')
    assert main([
        str(shared / 'data/ntu'), '--out', str(out / 'data'), '--pose',
        str(shared / 'data/simplepose/simplepose.onnx'), '--tap', REAL_TAP,
        '--detector', f'boxes:{shared / "data/ntu"}']) == 0
    return FeatureStore(out / 'data/features')


class TestRealClips:

    def test_shapes(self, real):
        assert real.shape('S001C001P001R001A001_rgb',
                           REAL_TAP) == (1, 103, 17, 128)
        assert real.shape('S001C001P001R001A050_rgb',
                           REAL_TAP) == (2, 74, 17, 128)
        for name in real.names:
            assert np.isfinite(real.read(name)).all()

    def test_two_people_are_never_exchanged(self, real):
        joints = real.read('S001C001P001R001A050_rgb', 'keypoint')
        hips = joints[:, :, 11:13].mean(2)  # (2, 74, 2)
        step = np.linalg.norm(np.diff(hips, axis=1), axis=-1)
        across = np.linalg.norm(hips[0, 1:] - hips[1, :-1], axis=-1)
        assert (step.max(0) < across).all()
        # they stand side by side and never pass each other
        assert len(set(np.sign(hips[0, :, 0] - hips[1, :, 0]))) == 1
