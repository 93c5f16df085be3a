"""What a program may import is there, and is described."""
import hpnet_plugin.apis as apis


def test_every_public_name_is_there_and_described():
    assert set(dir(apis)) == set(apis.__all__)
    for name in apis.__all__:
        assert getattr(apis, name).__doc__, name
        assert f'`{name}`' in apis.__doc__, name
