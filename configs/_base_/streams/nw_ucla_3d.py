# NW-UCLA in 3D, 20 joints of the first Kinect.
_base_ = './nw_ucla.py'

# hip centre, spine, shoulder centre, head, left arm, right arm, left leg,
# right leg
kinect = dict(
    num_node=20,
    inward=[(0, 1), (1, 2), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2),
            (9, 8), (10, 9), (11, 10), (12, 0), (13, 12), (14, 13), (15, 14),
            (16, 0), (17, 16), (18, 17), (19, 18)],
    center=2)
# PreNormalize3D puts the origin of 20 joints into a foot
centre = dict(type='NormalizeKeypoint')
pose3d = dict(
    _delete_=True,
    net=dict(_base_.pose3d.net, graph=dict(kinect, _delete_=True)),
    **{
        s: dict(
            dataset=dict(
                _base_.pose3d[s].dataset,
                pipeline=[load, centre, resize,
                          dict(gen, pairs=kinect), *pack]))
        for s in ('j', 'b', 'jm', 'bm')
        for load, resize, gen, *pack in [_base_.pose3d[s].dataset.pipeline]
    })
