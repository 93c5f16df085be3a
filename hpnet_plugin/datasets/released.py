"""What the authors' released extraction did, as options of this package.

Its numbers cannot be had again to the bit: its detector, YOLOv5m, is not part
of this package (boxes of it can be given, ``--detector boxes:FILE``), its
boxes are whole pixels, and stored features here are float16. Two of its
accidents are not offered: evaluation in train mode, and people whose features
are told apart by nothing but the detector's order in each dataset's script
(UCF101 and Kinetics take the two best boxes; here NTU's mutual actions do).
"""

# The name of an option of hpnet extract, as Python has it, to its value.
RELEASED = dict(
    # HRNet-W48 with SimCC heads, 256x192. The map is the output of branch 1
    # of the first module of stage 4, before that module's fusion: the module
    # overwrites the list of its inputs, which is what the code then reads.
    pose='hrnet-w48-simcc',
    tap=['backbone.stage4.0.branches.1'],
    # the net is never put into eval mode and sees one crop at a time, so
    # that batch norm takes the statistics of that crop
    norm='crop',
    # the crop's shape is computed from the frame's height / width, 0.5625 on
    # wide video, where the net's width / height was meant
    aspect='frame',
    # one bilinear sample, at x / 96 - 1 and y / 128 - 1, align_corners=True
    grid='corners',
    region=1,
    # the best boxes of each frame, without tracking: two for NTU's mutual
    # actions, else one, and the only one copied to the second slot
    persons='released',
    people=2,
    # every frame is looked at
    detect_every=1,
    # a frame without a box is zero in joints and features, and so is a clip
    # without any; no gap is filled
    nobody='zeros',
    # all frames of the video, resampled linearly to 64 (half-pixel rule)
    length=64,
    # the crops of the recogniser: the box (of two people that around both),
    # no margin, resized to 224x224 without keeping its shape
    crop_fit='stretch',
    crop_margin=1.,
    crop_size=224,
)
