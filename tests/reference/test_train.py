import io
import shlex
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import reference.train  # noqa: E402
from npfuse.metrics import mef_ssim  # noqa: E402
from npfuse.ops import resize  # noqa: E402
from npfuse.weights import load_weights  # noqa: E402
from reference.__main__ import CHANGEABLE, main, train_parser  # noqa: E402
from reference.checkpoint import has_checkpoint  # noqa: E402
from reference.errors import InputError  # noqa: E402
from reference.examples import Crops, Patches, draw_jitter, draw_pair, draw_ramps, turn  # noqa: E402
from reference.export import export_arrays  # noqa: E402
from reference.keras_models import lightfuse, t_cnn, tonefuse  # noqa: E402
from reference.losses import undecided  # noqa: E402
from reference.progress import Progress  # noqa: E402
from reference.recipes import RECIPES, Jitter, Recipe  # noqa: E402
from reference.sice import Scene, full_range, read_scene  # noqa: E402
from reference.train import (  # noqa: E402
    Job,
    averaged,
    dead_channels,
    fit,
    format_scores,
    fuse_scene,
    make_optimizer,
    make_step,
    score,
    split_scenes,
)
from tests.reference.scenes import write_scene  # noqa: E402

# Sums of float32 in TensorFlow's threads may be ordered differently from run to run; Adam passes such differences on.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def eager():
    """Run the step line by line: tracing it takes longer than the few steps of these tests."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "scenes"
    for seed, name in enumerate(["a", "b", "c"]):
        write_scene(folder / name, seed=seed)
    return folder


def command(data, out, *more, epochs=2):
    tiny = ["--hidden", "6,4", "--patch", "16", "--batch", "5", "--epochs", str(epochs), "--score-every", "0"]
    return ["train", "--data", str(data), "--out", str(out), *tiny, *more]


def arrays_of(data, out, *more, epochs=2):
    assert main(command(data, out, *more, epochs=epochs)) == 0
    return load_weights(out).arrays


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], **CLOSE, err_msg=name)


def differ(a, b):
    return max(float(np.abs(a[name] - b[name]).max()) for name in a) > 1e-3


def one_line(capsys):
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("reference: ")
    return err


def interrupt_at(monkeypatch, call):
    """Press Ctrl-C in the given step of the next training, counted over its epochs."""
    make_step = reference.train.make_step

    def make(*args):
        step, calls = make_step(*args), []

        def interrupted(*batch):
            calls.append(1)
            if len(calls) == call:
                raise KeyboardInterrupt
            return step(*batch)

        return interrupted

    monkeypatch.setattr(reference.train, "make_step", make)


def test_training_lowers_the_loss(data, tmp_path, capsys):
    main(command(data, tmp_path / "w.npz", "--seed", "3", epochs=25))
    losses = [float(line.split()[3]) for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert len(losses) == 25
    assert losses[-1] < 0.8 * losses[0]


def test_interrupted_and_resumed_training_equals_uninterrupted(data, eager, tmp_path, monkeypatch, capsys):
    whole = arrays_of(data, tmp_path / "whole.npz", epochs=3)
    # 3 scenes of 24x40 make 18 patches of 16, 4 steps an epoch: step 7 is in the second epoch.
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        assert main(command(data, tmp_path / "w.npz", epochs=3)) == 130
    assert not (tmp_path / "w.npz").exists()
    message = capsys.readouterr().err.splitlines()[-1]
    said, _, resume = message.partition(", go on with: ")
    assert said == "interrupted; the checkpoint holds 1 epochs"
    assert shlex.split(resume)[:3] == ["python", "-m", "reference"]
    assert main(shlex.split(resume)[3:]) == 0
    err = capsys.readouterr().err
    assert "epoch 1/3" not in err
    assert "epoch 2/3" in err
    assert_same(load_weights(tmp_path / "w.npz").arrays, whole)
    assert differ(whole, arrays_of(data, tmp_path / "less.npz", epochs=2))


def test_ctrl_c_in_the_first_epoch_says_there_is_no_checkpoint(data, eager, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 2)
    assert main(command(data, tmp_path / "w.npz")) == 130
    assert "interrupted before the end of the first epoch; there is no checkpoint" in capsys.readouterr().err
    assert not has_checkpoint(tmp_path / "w.npz.checkpoint")


def test_a_finished_training_is_written_again_from_its_checkpoint_and_can_be_extended(data, eager, tmp_path):
    three = arrays_of(data, tmp_path / "three.npz", epochs=3)
    two = arrays_of(data, tmp_path / "w.npz", "--checkpoint", str(tmp_path / "ck"))
    resume = ["--checkpoint", str(tmp_path / "ck"), "--resume"]
    assert_same(arrays_of(data, tmp_path / "again.npz", *resume), two)
    assert_same(arrays_of(data, tmp_path / "more.npz", *resume, epochs=3), three)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data, eager, tmp_path):
    first = arrays_of(data, tmp_path / "1.npz", "--seed", "1", epochs=1)
    assert_same(arrays_of(data, tmp_path / "2.npz", "--seed", "1", epochs=1), first)
    assert differ(arrays_of(data, tmp_path / "3.npz", "--seed", "2", epochs=1), first)


def test_held_out_pictures_do_not_change_the_weights_and_trained_ones_do(data, eager, tmp_path):
    first = arrays_of(data, tmp_path / "1.npz", "--hold-out", "b", epochs=1)
    write_scene(data / "b", height=32, seed=99)
    assert_same(arrays_of(data, tmp_path / "2.npz", "--hold-out", "b", epochs=1), first)
    write_scene(data / "a", seed=98)
    assert differ(arrays_of(data, tmp_path / "3.npz", "--hold-out", "b", epochs=1), first)


def test_the_weights_file_tells_the_model_the_scenes_the_seed_and_the_scores(data, eager, tmp_path, capsys):
    assert main(command(data, tmp_path / "w.npz", "--hold-out", "b", "--seed", "4", "--decoder", "bilinear")) == 0
    weights = load_weights(tmp_path / "w.npz")
    assert weights.model == "lightfuse"
    assert list(weights.build["hidden"]) == [6, 4]
    assert weights.build["decoder"] == "bilinear"
    assert weights.normalization == "full_range"
    err = capsys.readouterr().err
    (held_out,) = [line.removeprefix("held out: ") for line in err.splitlines() if line.startswith("held out: ")]
    assert held_out.startswith("PSNR ")
    assert "(b " in held_out
    for said in ("2 scenes of the folder scenes", "held out: b", "seed 4", "2 epochs", held_out):
        assert said in weights.source
    assert str(tmp_path) not in weights.source


def test_held_out_scenes_are_scored_as_often_as_asked(data, eager, tmp_path, capsys):
    assert main(command(data, tmp_path / "w.npz", "--hold-out", "b", "--score-every", "2", epochs=5)) == 0
    lines = [line.split(":")[0].split(" loss")[0] for line in capsys.readouterr().err.splitlines()]
    lines = [line for line in lines if line.startswith(("epoch", "held out", "trained on"))]
    scored = [f"epoch {n}/5" for n in range(1, 6)] + ["trained on", "held out"]
    scored.insert(2, "held out")
    scored.insert(5, "held out")
    assert lines == scored


@pytest.mark.parametrize(
    ("options", "build"),
    [
        (["--model", "t_cnn"], lambda: t_cnn(hidden=(6, 4))),
        (["--decoder", "transposed"], lambda: lightfuse(hidden=(6, 4), decoder="transposed")),
    ],
    ids=["t_cnn", "transposed"],
)
def test_other_models_are_trained_and_written(options, build, data, eager, tmp_path):
    arrays = arrays_of(data, tmp_path / "w.npz", *options, epochs=1)
    wanted = {name: array.shape for name, array in export_arrays(build()).items()}
    assert {name: array.shape for name, array in arrays.items()} == wanted


def test_out_is_not_overwritten_unless_forced(data, eager, tmp_path, capsys):
    out = tmp_path / "w.npz"
    out.write_bytes(b"precious")
    assert main(command(tmp_path / "not-even-there", out)) == 2  # refused before the data is looked at
    assert "w.npz: the file is there already, --force overwrites it" in one_line(capsys)
    assert out.read_bytes() == b"precious"
    assert main(command(data, out, "--force", epochs=1)) == 0
    assert load_weights(out).model == "lightfuse"


def test_a_checkpoint_is_not_overwritten_unless_forced(data, eager, tmp_path, capsys):
    checkpoint = ["--checkpoint", str(tmp_path / "ck")]
    assert main(command(data, tmp_path / "1.npz", *checkpoint, epochs=1)) == 0
    capsys.readouterr()
    assert main(command(data, tmp_path / "2.npz", *checkpoint, epochs=1)) == 2
    assert "a checkpoint is there already, --resume goes on from it, --force starts anew" in one_line(capsys)
    assert main(command(data, tmp_path / "2.npz", *checkpoint, "--force", epochs=1)) == 0


def test_a_checkpoint_of_other_settings_is_not_resumed(data, eager, tmp_path, capsys):
    checkpoint = ["--checkpoint", str(tmp_path / "ck")]
    assert main(command(data, tmp_path / "1.npz", *checkpoint, "--seed", "1", epochs=2)) == 0
    for options, message in [
        (["--seed", "2"], "the checkpoint's seed is 1, this run's is 2"),
        (["--hold-out", "a"], "the checkpoint's trained on is ['a', 'b', 'c'], this run's is ['b', 'c']"),
        (["--decoder", "bilinear"], "the checkpoint's decoder is nearest, this run's is bilinear"),
        (["--epochs", "1"], "the checkpoint holds 2 epochs, more than --epochs asks for"),
    ]:
        capsys.readouterr()
        assert main(command(data, tmp_path / "2.npz", *checkpoint, "--resume", *options)) == 2
        assert message in one_line(capsys)


def test_resuming_without_a_checkpoint_is_refused(data, eager, tmp_path, capsys):
    assert main(command(data, tmp_path / "w.npz", "--resume")) == 2
    assert "checkpoint.npz: no checkpoint there to resume from" in one_line(capsys)


def test_a_broken_checkpoint_is_refused(data, eager, tmp_path, capsys):
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "checkpoint.npz").write_bytes(b"half a file")
    assert main(command(data, tmp_path / "w.npz", "--checkpoint", str(tmp_path / "ck"), "--resume")) == 2
    assert "checkpoint.npz: not a checkpoint of this program" in one_line(capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hold-out", "a,z"], "--hold-out: no scene is called z, the scenes are a, b, c"),
        (["--hold-out", "a,b,c"], "--hold-out: all scenes are held out, none is left to train on"),
        (["--patch", "32"], "the picture is 24x40 (height x width), expected 32x32 or more"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--out", "nowhere/w.npz"], "nowhere/w.npz: there is no such folder to write to"),
        (["--model", "t_cnn", "--decoder", "bilinear"], "--decoder bilinear: t_cnn has no decoder"),
        (["--model", "tonefuse"], "--decoder nearest: tonefuse's is bilinear"),
        (["--model", "tonefuse", "--decoder", "bilinear"], "--model tonefuse: only a recipe of crops has thumbnails"),
        (["--vgg-weights", "v.h5"], "--vgg-weights v.h5: only --loss vgg reads it"),
        (["--loss", "vgg", "--vgg-weights", "v.h5"], "v.h5: no such file"),
    ],
)
def test_mistakes_are_one_line_and_exit_status_2(options, message, data, eager, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command(data, tmp_path / "w.npz", *options)) == 2
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "argument --epochs: 0, expected a whole number of 1 or more"),
        (["--batch", "x"], "argument --batch: x, expected a whole number of 1 or more"),
        (["--hidden", "6,-4"], "argument --hidden: -4, expected a whole number of 1 or more"),
        (["--patch", "20"], "argument --patch: 20, expected a multiple of 8"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_option_mistakes_are_one_line_and_exit_status_2(options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command("d", "w.npz", *options))
    assert caught.value.code == 2
    assert message in one_line(capsys)


def test_options_are_those_of_a_job_and_the_changeable_ones_of_a_recipe():
    options = vars(train_parser().parse_args(["--data", "d", "--out", "w.npz"]))
    defaults = {name: field.default for name, field in Job.__dataclass_fields__.items()}
    assert options.keys() == defaults.keys() | set(CHANGEABLE)
    assert all(options[name] is None for name in CHANGEABLE)
    assert set(CHANGEABLE) <= set(Recipe.__dataclass_fields__)
    assert options["recipe"] == "paper"
    given = ("recipe", "data", "out", "checkpoint")
    assert all(options[name] == default for name, default in defaults.items() if name not in given)


@pytest.mark.parametrize("argv", [[], ["fuse"]])
def test_an_unknown_subcommand_is_one_line_and_exit_status_2(argv, capsys):
    assert main(argv) == 2
    assert "expected a subcommand, train, train-mef, score or crosscheck" in one_line(capsys)


def test_missing_keras_names_the_extra_to_install(data, eager, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    assert main(command(data, tmp_path / "w.npz")) == 2
    assert 'keras is not installed: pip install "npfuse[keras]"' in one_line(capsys)


def test_the_eight_turns_of_a_picture_are_all_different_and_keep_its_values():
    picture = np.arange(4 * 4 * 2).reshape(4, 4, 2)
    turned = [turn(picture, way) for way in range(8)]
    assert len({array.tobytes() for array in map(np.ascontiguousarray, turned)}) == 8
    assert all(
        sorted(map(tuple, array.reshape(-1, 2))) == sorted(map(tuple, picture.reshape(-1, 2))) for array in turned
    )


def random_scene(height=24, width=32, exposures=7, seed=0):
    """A scene whose label is its darkest exposure."""
    rng = np.random.default_rng(seed)
    stack = [rng.integers(i * 30, i * 30 + 40, (height, width, 3), dtype=np.uint8) for i in range(exposures)]
    return Scene(
        name="s", under=stack[0], over=stack[-1], label=stack[0], label_path=None, exposures=tuple(stack)
    )  # fmt: skip


def test_input_and_label_are_turned_alike_and_differently_in_the_next_epoch():
    patches = Patches([random_scene()], Recipe(batch=5, patch=8), seed=1)
    batches = {n: list(patches.epoch(epoch)) for n, epoch in enumerate((1, 2, 1))}
    assert [len(labels) for _, labels, _ in batches[0]] == [5, 5, 2]
    for (exposures,), labels, _ in batches[0] + batches[1]:
        np.testing.assert_allclose(exposures[..., 0:3], labels * 2 - 1, atol=1e-6)
    first, second, again = (np.concatenate([labels for _, labels, _ in batches[n]]) for n in range(3))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(first, second)
    every = np.sort(
        np.stack([random_scene().label[i : i + 8, j : j + 8].sum() for i in (0, 8, 16) for j in range(0, 32, 8)])
    )
    for labels in (first, second):  # every patch once
        np.testing.assert_allclose(np.sort(labels.sum(axis=(1, 2, 3))) * 255, every, rtol=1e-5)


PLAIN_CROPS = replace(RECIPES["tonefuse"], patch=8, context=4, steps=3, batch=4, jitter=Jitter())


def test_crops_are_the_same_places_of_exposures_and_label():
    for (exposures, thumbnails), labels, _ in Crops([random_scene()], replace(PLAIN_CROPS, inner_pairs=0), 1).epoch(1):
        assert (exposures.shape, thumbnails.shape, labels.shape) == ((4, 16, 16, 6), (4, 16, 24, 6), (4, 8, 8, 3))
        np.testing.assert_allclose((exposures[:, 4:-4, 4:-4, 0:3] + 1) / 2, labels, atol=1e-6)


def test_crops_follow_from_seed_and_epoch_alone():
    crops = Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 1)
    drawn = {name: next(crops.epoch(epoch))[1] for name, epoch in (("first", 1), ("second", 2), ("again", 1))}
    np.testing.assert_array_equal(drawn["again"], drawn["first"])
    assert not np.array_equal(drawn["second"], drawn["first"])
    other = next(Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 2).epoch(1))[1]
    assert not np.array_equal(other, drawn["first"])


RECIPES_SMALL = replace(PLAIN_CROPS, jitter=RECIPES["tonefuse"].jitter)


def test_a_crops_thumbnail_is_that_of_the_whole_pictures():
    scene = random_scene(40, 56)
    ((_, thumbnails), _, _) = next(Crops([scene], replace(PLAIN_CROPS, inner_pairs=0), 1).epoch(1))
    whole = full_range(np.concatenate([scene.under, scene.over], axis=2))
    expected = resize(whole[np.newaxis].astype(np.float64), height=16, width=24, method="area")[0]
    np.testing.assert_allclose(thumbnails[0], expected, atol=1 / 255)  # the copy it is made of is rounded to levels


def test_inner_pairs_are_one_of_the_darkest_third_and_one_of_the_brightest_half():
    rng = np.random.default_rng(0)
    for count in (2, 3, 7, 17):
        pairs = {draw_pair(rng, count, 1.0) for _ in range(2000)}
        assert {under for under, _ in pairs} == set(range(-(-count // 3)))
        assert {over for _, over in pairs} >= set(range(max(count // 2, -(-count // 3)), count))
        assert all(under < over for under, over in pairs)
        assert {draw_pair(rng, count, 0.0) for _ in range(20)} == {(0, count - 1)}


def test_jitter_varies_the_exposures_and_shares_the_white_balance_with_the_label():
    values = np.full((1, 1, 3), 0.25, np.float32)
    jitter = draw_jitter(np.random.default_rng(3), Jitter(white_balance=0.1))
    np.testing.assert_array_equal(jitter(values, 0), jitter(values, None))
    np.testing.assert_array_equal(jitter(values, 1), jitter(values, None))
    assert len(np.unique(jitter(values, None))) == 3
    jitter = draw_jitter(np.random.default_rng(3), Jitter(gain=(0.1, 0.1), gamma=(0.1, 0.1)))
    np.testing.assert_array_equal(jitter(values, None), values)
    assert len({float(jitter(values, i)[0, 0, 0]) for i in (0, 1, None)}) == 3


def test_ramps_are_grey_and_rise_in_the_exposures_and_in_their_thumbnails():
    exposures, thumbnails = draw_ramps(np.random.default_rng(0), 8)
    assert (exposures.shape, thumbnails.shape) == ((2, 24, 144, 6), (2, 16, 24, 6))
    for values in (exposures, thumbnails):
        assert np.diff(values, axis=2).min() >= 0
        np.testing.assert_array_equal(values[..., 0:6:3], values[..., 2:6:3])
        assert np.abs(values).max() <= 1
    means = exposures.mean(axis=(1, 2))
    assert (means[:, 3] > means[:, 0] + 0.1).all()


def test_the_step_adds_the_weighted_falls_along_ramps():
    values = {}
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(4,))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        rng = np.random.default_rng(0)
        inputs, ramps = (tf.constant(rng.uniform(-1, 1, (2, 16, 16, 6)), tf.float32) for _ in range(2))
        labels = tf.constant(rng.random((2, 16, 16, 3)), tf.float32)
        step = make_step(model, optimizer, plain_loss_of_small, ramps_weight=weight)
        values[weight] = float(step((inputs,), labels, (ramps,)))
    output = np.asarray(model(ramps)) / 2
    falls = np.maximum(output[:, :, :-1] - output[:, :, 1:], 0).sum(axis=2).mean()
    assert values[2.0] - values[0.0] == pytest.approx(2 * falls, rel=1e-3)


def test_the_step_adds_the_weighted_structure_lost_of_what_the_loss_sees_over_two_scales(monkeypatch):
    values = {}
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.uniform(-1, 1, (2, 48, 48, 6)), tf.float32)
    labels = tf.constant(rng.random((2, 32, 32, 3)), tf.float32)
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(4,))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        step = make_step(model, optimizer, plain_loss_of_small, structure_weight=weight)
        values[weight] = float(step((inputs,), labels, None))
    pairs, fused = ((np.asarray(x, np.float64)[:, 8:40, 8:40] + 1) / 2 for x in (inputs, model(inputs)))
    scores = []
    for scales in ((1.0,), (0.0, 1.0)):  # of the metric, one after the other
        monkeypatch.setattr("npfuse.metrics.MEF_SCALES", scales)
        scores += [mef_ssim((p[..., :3], p[..., 3:]), picture) for p, picture in zip(pairs, fused, strict=True)]
    assert 0.01 < np.mean(scores) < 0.9
    assert values[2.0] - values[0.0] == pytest.approx(2 * (1 - np.mean(scores)), rel=1e-3)


def test_the_step_adds_the_weighted_units_that_change_sign_of_both_hidden_layers_in_a_third_of_the_examples():
    values = {}
    rng = np.random.default_rng(0)
    inputs, labels = rng.uniform(-1, 1, (4, 16, 16, 6)), rng.random((4, 16, 16, 3))
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(5, 4))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        step = make_step(model, optimizer, plain_loss_of_small, undecided_weight=weight)
        values[weight] = float(step((tf.constant(inputs, tf.float32),), tf.constant(labels, tf.float32), None))
    (k1, b1), (k2, b2) = (model.get_layer(f"detail{n}").get_weights() for n in (1, 2))
    first = inputs[:2] @ k1[0, 0] + b1
    second = np.maximum(first, 0) @ k2[0, 0] + b2
    expected = sum(float(undecided(tf.constant(sums, tf.float32))) for sums in (first, second))
    assert expected > 0
    assert values[2.0] - values[0.0] == pytest.approx(2 * expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_the_recipe_for_lightfuse_starts_with_every_output_channel_awake(seed, eager, tmp_path):
    scene = random_scene(48, 48)
    recipe = replace(RECIPES["lightfuse"], steps=1, epochs=1, batch=1, learning_rate=1e-9, final_rate=1e-9)
    job = Job(recipe=recipe, data=tmp_path, out=tmp_path / "w.npz", checkpoint=tmp_path / "ck", seed=seed)
    model = fit(job, [scene], stream=io.StringIO())
    pair = full_range(np.concatenate([scene.under, scene.over], axis=-1))[None, :16, :16]
    details = [layer.output for layer in model.layers if layer.name.startswith("detail")]
    output = np.asarray(keras.Model(model.input, details[-1])(pair))
    assert (output > 0).mean(axis=(0, 1, 2)).min() > 0.9


def test_a_moving_average_is_what_is_written(data, eager, tmp_path):
    """After two steps of a momentum of 1/2 from the first step's weights: their mean."""
    recipe = replace(PLAIN_CROPS, hidden=(4,), average=0.5, final_rate=None, clip=None)
    model = tonefuse(hidden=(4,))
    optimizer = make_optimizer(recipe, 2)
    optimizer.build(model.trainable_variables)
    step, seen = make_step(model, optimizer, plain_loss_of_small), []
    for inputs, labels, _ in list(Crops([random_scene()], recipe, 1).epoch(1))[:2]:
        step(tuple(map(tf.constant, inputs)), tf.constant(labels), None)
        seen.append([np.array(w) for w in model.get_weights()])
    result = averaged(model, optimizer).get_weights()
    for a, b, mean in zip(*seen, result, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-5, atol=1e-7)


def plain_loss_of_small(target, output):
    return tf.reduce_mean((target - output) ** 2)


def test_tonefuse_is_trained_and_written(data, eager, tmp_path):
    options = ["--recipe", "tonefuse", "--hidden", "5", "--patch", "16", "--batch", "2", "--epochs", "1"]
    for name in "abc":
        write_scene(data / name, height=40, width=48, seed=ord(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tonefuse", replace(RECIPES["tonefuse"], steps=2, loss="plain"))
        arguments = ["train", "--data", str(data), "--out", str(tmp_path / "w.npz"), "--hold-out", "b", *options]
        assert main(arguments) == 0
    weights = load_weights(tmp_path / "w.npz")
    assert (weights.model, dict(weights.build)) == ("tonefuse", {"hidden": [5]})
    assert "held out: b" in weights.source


def test_a_loss_that_is_not_a_number_stops_the_training():
    patches = Patches([random_scene()], Recipe(batch=5, patch=8), seed=1)
    progress = Progress(0, 9, 1, io.StringIO())
    with pytest.raises(InputError, match="epoch 7: the loss is nan, training cannot go on; try another --seed"):
        reference.train.train_epoch(lambda *batch: float("nan"), patches, 7, progress)


def test_splitting_keeps_every_scene_once(data):
    scenes = [read_scene(data / name) for name in "abc"]
    trained, held_out = split_scenes(scenes, ("c", "a"))
    assert [scene.name for scene in trained] == ["b"]
    assert [scene.name for scene in held_out] == ["a", "c"]


def grey_scene(height, width, label):
    picture = np.full((height, width, 3), 100, np.uint8)
    return Scene(name="s", under=picture, over=picture, label=np.full_like(picture, label), label_path=None)


def constant_model(value):
    """A LightFuse that gives the byte `value` everywhere."""
    model = lightfuse(hidden=(2,))
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    model.get_layer("global3").bias.assign(np.full(3, np.arctanh(value / 255 * 2 - 1)))
    return model


def test_score_is_the_psnr_and_ssim_of_the_whole_picture_by_hand():
    ((psnr, similarity),) = score(constant_model(110), [grey_scene(19, 13, label=120)]).values()
    assert psnr == pytest.approx(20 * np.log10(255 / 10), abs=1e-3)
    a, b = 110 / 255, 120 / 255
    assert similarity == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=5e-4)  # float32 variances


def test_scenes_of_any_size_are_fused_as_if_their_edges_went_on():
    keras.utils.set_random_seed(2)
    model = lightfuse(hidden=(6, 4))
    rng = np.random.default_rng(0)
    small = {name: rng.integers(0, 256, (13, 18, 3), dtype=np.uint8) for name in ("under", "over", "label")}
    grown = {name: np.pad(p, ((0, 3), (0, 6), (0, 0)), mode="edge") for name, p in small.items()}
    fused, whole = (fuse_scene(model, Scene(name="s", label_path=None, **p)) for p in (small, grown))
    assert whole.shape == (16, 24, 3)
    np.testing.assert_array_equal(fused, whole[:13, :18])


def test_scores_are_told_in_one_line():
    wanted = "PSNR 21.00 dB SSIM 0.6000 (a 20.00 dB 0.5000, b 22.00 dB 0.7000)"
    assert format_scores({"a": (20.0, 0.5), "b": (22.0, 0.7)}) == wanted


def test_a_channel_whose_last_relu_is_off_everywhere_is_found():
    model = lightfuse(hidden=(6, 4))
    model.get_layer("detail3").bias.assign([1.0, -1e6, 1.0])
    scenes = [random_scene()]
    assert 1 in dead_channels(model, scenes)
    model.get_layer("detail3").bias.assign([1e6, 1e6, 1e6])
    assert dead_channels(model, scenes) == []
    assert dead_channels(t_cnn(hidden=(6, 4)), scenes) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_a_line_an_epoch_elsewhere():
    told = {}
    for stream in (Terminal(), io.StringIO()):
        progress = Progress(2, 4, 5, stream)
        for epoch in (3, 4):
            for step in range(1, 6):
                progress.step(epoch, step, 0.25)
            progress.epoch(epoch, 0.125)
        told[type(stream)] = stream.getvalue()
    lines = told[io.StringIO].splitlines()
    assert [line.split(" s/step")[0][:25] for line in lines] == [
        "epoch 3/4 loss 0.1250 0.0",
        "epoch 4/4 loss 0.1250 0.0",
    ]
    assert "\r" not in told[io.StringIO]
    assert "\repoch 3/4 [####................] step 1/5 loss 0.2500 left 0:00:" in told[Terminal]
    assert "[####################] step 5/5" in told[Terminal]
    assert told[Terminal].count("\n") == 2
