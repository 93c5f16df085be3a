"""Names of pose nets and detectors, without a network."""
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch

from hpnet_plugin import places
from hpnet_plugin.estimation import weight_files, zoo
from hpnet_plugin.estimation.pose import list_taps
from hpnet_plugin.estimation.zoo import Model, WeightsError

PUBLIC = {name: model for name, model in {**zoo.POSES, **zoo.DETECTORS}.items()
          if '://' in model.weights}


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty cache of torch hub."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.delenv(weight_files.FOLDER_VARIABLE, raising=False)
    return tmp_path / 'hub/checkpoints'


@pytest.fixture
def server():
    """A server of weights; says what it was asked for."""
    asked, content = [], b'weights' * 1000

    class Handler(BaseHTTPRequestHandler):

        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if 'absent' not in self.path else 404)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with HTTPServer(('127.0.0.1', 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        http.asked, http.content = asked, content
        http.address = f'http://127.0.0.1:{http.server_port}'
        yield http
        http.shutdown()
        thread.join()


def digits(content):
    return hashlib.sha256(content).hexdigest()[:8]


@pytest.mark.parametrize('name', PUBLIC)
def test_table(name):
    """Each fact in the table is that of the config, and has a checksum."""
    model = PUBLIC[name]
    text = open(zoo.config_file(model.config), encoding='utf-8').read()
    assert re.search("^load_from = '(.+?)'", text, re.M)[1] == model.weights
    assert weight_files.digits_of(model.weights)
    assert 'Apache-2.0' in model.note


@pytest.mark.parametrize('name', zoo.DETECTORS)
def test_detectors_can_be_built(name):
    """As mmdet's own configs, for persons among what they know."""
    pytest.importorskip('mmdet')
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine import Config
    from mmengine.registry import DefaultScope
    config = Config.fromfile(zoo.config_file(zoo.DETECTORS[name].config))
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
    assert model.bbox_head.num_classes == (1 if name == 'rtmdet-m' else 80)


@pytest.mark.parametrize('name, shape', [
    ('hrnet-w48-simcc', (96, 32, 24)), ('hrnet-w48', (96, 32, 24)),
    ('rtmpose-m', (192, 32, 24)), ('tiny', (32, 16, 12))])
def test_taps_are_there(name, shape):
    """The nets are built; their maps need no weights."""
    model = zoo.POSES[name]
    tap, = model.taps
    assert list_taps(zoo.config_file(model.config))[tap] == shape


def test_names_and_files(root, hub):
    choice = zoo.choose_pose('tiny')
    assert choice.file == str(root / 'configs/pose/tiny_hrnet.py')
    assert choice.checkpoint == str(
        root / 'hpnet_plugin/estimation/tiny_pose.pth')
    assert choice.taps == (zoo.HRNET_TAP, )
    assert 'synthetic people' in choice.note
    own = zoo.choose_pose('hrnet-w48', 'mine.pth')
    assert own.checkpoint == 'mine.pth' and own.taps == (zoo.HRNET_TAP, )
    assert zoo.choose_pose('some/net.onnx') == zoo.Choice(
        'some/net.onnx', 'some/net.onnx')
    for spec in ('hog', 'frame', 'boxes:x.json', 'a/b.py', 'yolox:c.onnx'):
        assert zoo.choose_detector(spec) == zoo.Choice(spec, spec)
    with pytest.raises(ValueError, match="'hrnet'; known are hrnet-w48-simcc"):
        zoo.choose_pose('hrnet')
    with pytest.raises(ValueError, match="'yolo'; known are rtmdet-m.* hog"):
        zoo.choose_detector('yolo')


def test_best_that_is_installed(hub, tmp_path, monkeypatch):
    """By the order of the tables; the package's own, where there is none."""
    assert zoo.choose_pose().name == 'tiny'
    assert zoo.choose_detector() == zoo.Choice('hog', 'hog')
    hub.mkdir(parents=True)
    monkeypatch.setattr(weight_files, 'digits_of', lambda path: None)
    for kind, name in ((zoo.choose_pose, 'rtmpose-m'),
                       (zoo.choose_pose, 'hrnet-w48'),
                       (zoo.choose_detector, 'yolox-s')):
        model = {**zoo.POSES, **zoo.DETECTORS}[name]
        path = hub / model.weights.split('/')[-1]
        path.write_bytes(b'weights')
        choice = kind()
        assert (choice.name, choice.checkpoint) == (name, str(path))
        assert choice.note == model.note
    # weights alone are not enough
    monkeypatch.setattr(zoo, 'find_spec', lambda name: None)
    assert zoo.choose_detector().name == 'hog'
    monkeypatch.undo()
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'empty'))
    folder = tmp_path / 'mine'
    folder.mkdir()
    monkeypatch.setenv(weight_files.FOLDER_VARIABLE, str(folder))
    (folder / 'hrnet-w48_simcc_coco-256x192.pth').write_bytes(b'converted')
    choice = zoo.choose_pose()
    assert choice.name == 'hrnet-w48-simcc'
    assert choice.checkpoint.startswith(str(folder))


def test_downloaded_once_and_checked(server, hub, monkeypatch):
    file = f'net-{digits(server.content)}_20230504.pth'
    models = {'net': Model('pose/tiny_hrnet.py', f'{server.address}/v1/{file}',
                           'mmpose', '', ('tap', ))}
    monkeypatch.setattr(zoo, 'POSES', models)
    for _ in range(2):
        choice = zoo.choose_pose('net')
        assert choice.checkpoint == str(hub / file)
        assert (hub / file).read_bytes() == server.content
    assert server.asked == [f'/v1/{file}']
    assert [path.name for path in hub.iterdir()] == [file]
    # what is here is looked at again
    (hub / file).write_bytes(server.content[:-1])
    with pytest.raises(WeightsError, match=f'{file} is damaged: its sha256'):
        zoo.choose_pose('net')


@pytest.mark.parametrize('file, message', [
    ('net-01234567.pth', 'gave another file than its name says'),
    ('absent-01234567.pth', 'cannot be downloaded .Not Found.'),
    (None, 'cannot be downloaded .*refused.*: get http')])
def test_downloads_that_fail(server, hub, file, message):
    address = server.address if file else 'http://127.0.0.1:9'
    model = Model('x.py', f'{address}/{file or "net-01234567.pth"}', 'mmpose',
                  '')
    with pytest.raises(WeightsError, match=message) as error:
        zoo.get_weights('net', model)
    # what to get, and where to put it
    assert model.weights in str(error.value)
    assert str(hub) in str(error.value)
    assert 'HPNET_WEIGHTS' in str(error.value)
    assert list(hub.iterdir()) == []


def test_weights_without_an_address(hub):
    with pytest.raises(WeightsError, match='Google Drive.*hpnet convert'
                       '.*put hrnet-w48_simcc_coco-256x192.pth into'):
        zoo.choose_pose('hrnet-w48-simcc')


def test_configs_of_an_installed_package(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages/hpnet_plugin'
    (package / '.mim/configs/pose').mkdir(parents=True)
    monkeypatch.setattr(places, 'PACKAGE', package)
    (package / '.mim/configs/model-index.yml').touch()
    with pytest.raises(FileNotFoundError, match='pose/tiny_hrnet.py'):
        zoo.config_file('pose/tiny_hrnet.py')
    path = package / '.mim/configs/pose/tiny_hrnet.py'
    path.write_text('')
    assert zoo.config_file('pose/tiny_hrnet.py') == str(path)
