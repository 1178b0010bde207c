import io
import shlex
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import reference.train  # noqa: E402
from npfuse.weights.loading import load_weights  # noqa: E402
from reference.__main__ import CHANGEABLE, main, train_parser  # noqa: E402
from reference.checkpoint import has_checkpoint  # noqa: E402
from reference.errors import InputError  # noqa: E402
from reference.examples import Crops  # noqa: E402
from reference.export import export_arrays  # noqa: E402
from reference.keras_models import lightfuse, t_cnn, tonefuse  # noqa: E402
from reference.mef_training import NETWORKS  # noqa: E402
from reference.mef_training import train as train_mef  # noqa: E402
from reference.recipes import RECIPES, VALIDATION, Recipe  # noqa: E402
from reference.scenes import full_range, read_scene, read_scenes  # noqa: E402
from reference.step import make_step  # noqa: E402
from reference.train import Job, averaged, fit, make_optimizer, split_scenes  # noqa: E402
from tests.reference.recipes import PLAIN_CROPS  # noqa: E402
from tests.reference.scenes import random_scene, write_scene  # noqa: E402

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

    def make(*args, **weights):
        step, calls = make_step(*args, **weights), []

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
    assert "expected a subcommand, one of train, train-mef, score, validate, crosscheck" in one_line(capsys)


def test_missing_keras_names_the_extra_to_install(data, eager, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    assert main(command(data, tmp_path / "w.npz")) == 2
    assert 'keras is not installed: pip install "npfuse[keras]"' in one_line(capsys)


@pytest.mark.parametrize("seed", range(2))
def test_the_recipe_for_lightfuse_starts_with_every_output_channel_awake(seed, eager, tmp_path):
    scene = random_scene(64, 64)
    recipe = replace(RECIPES["lightfuse"], steps=1, epochs=1, batch=1, learning_rate=1e-9, final_rate=1e-9)
    job = Job(recipe=recipe, data=(tmp_path,), out=tmp_path / "w.npz", checkpoint=tmp_path / "ck", seed=seed)
    model = fit(job, [scene], stream=io.StringIO())
    pair = full_range(np.concatenate([scene.under, scene.over], axis=-1))[None, :16, :16]
    details = [layer.output for layer in model.layers if layer.name.startswith("detail")]
    output = np.asarray(keras.Model(model.input, details[-1])(pair))
    assert (output > 0).mean(axis=(0, 1, 2)).min() > 0.9


def mean_square(target, output, shares):
    return tf.reduce_mean((target - output) ** 2)


def test_a_moving_average_is_what_is_written(data, eager, tmp_path):
    """After two steps of a momentum of 1/2 from the first step's weights: their mean."""
    recipe = replace(PLAIN_CROPS, hidden=(4,), average=0.5, final_rate=None, clip=None)
    model = tonefuse(hidden=(4,))
    optimizer = make_optimizer(recipe, 2, model)
    optimizer.build(model.trainable_variables)
    step, seen = make_step(model, optimizer, mean_square), []
    for inputs, labels, _ in list(Crops([random_scene()], recipe, 1).epoch(1))[:2]:
        step(inputs, labels, None)
        seen.append([np.array(w) for w in model.get_weights()])
    result = averaged(model, optimizer).get_weights()
    for a, b, mean in zip(*seen, result, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-5, atol=1e-7)


def test_of_tonefuse_only_what_reads_the_thumbnail_decays():
    """Gradients of 0 leave the decay alone: a step of rate 0.1 takes 0.1 x 0.5 of a weight."""
    recipe = replace(PLAIN_CROPS, weight_decay=0.5, learning_rate=0.1, final_rate=None, warm_up=0)
    for model, decaying in ((tonefuse(hidden=(4,)), "tone"), (lightfuse(hidden=(4,)), "")):
        named = replace(recipe, model=model.name)
        optimizer = make_optimizer(named, 2, model)
        optimizer.build(model.trainable_variables)
        before = {v.path: np.array(v.value) for v in model.trainable_variables}
        optimizer.apply([tf.zeros(v.shape) for v in model.trainable_variables])
        for variable in model.trainable_variables:
            share = 0.95 if variable.path.startswith(decaying) else 1
            np.testing.assert_allclose(variable.value, before[variable.path] * share, rtol=1e-6)
        assert {path.split("/")[0] for path in before} >= ({"tone1", "tone2"} if decaying else set())


def test_tonefuse_is_trained_and_written(data, eager, tmp_path):
    options = ["--recipe", "tonefuse", "--hidden", "5", "--patch", "16", "--batch", "2", "--epochs", "1"]
    for name in "abc":
        write_scene(data / name, height=40, width=48, seed=ord(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tonefuse", replace(RECIPES["tonefuse"], steps=2, loss="plain"))
        arguments = ["train", "--data", str(data), "--out", str(tmp_path / "w.npz"), "--hold-out", "b", *options]
        assert main(arguments) == 0
    weights = load_weights(tmp_path / "w.npz")
    build = {"hidden": [5], "coarse": 30, "dilations": [1, 2, 4], "tones": 12}
    assert (weights.model, dict(weights.build)) == ("tonefuse", build)
    assert "held out: b" in weights.source


def test_splitting_keeps_every_scene_once(data):
    scenes = [read_scene(data / name) for name in "abc"]
    trained, held_out = split_scenes(scenes, ("c", "a"))
    assert [scene.name for scene in trained] == ["b"]
    assert [scene.name for scene in held_out] == ["a", "c"]


@pytest.mark.parametrize("name", VALIDATION)
def test_scenes_for_validation_are_left_out_of_training_and_refused_where_they_are_given(name, tmp_path):
    write_scene(tmp_path / "sets" / name)
    write_scene(tmp_path / "sets" / "a")
    scenes = read_scenes(tmp_path / "sets")
    trained, held_out = split_scenes(scenes, ())
    assert ([scene.name for scene in trained], held_out) == (["a"], [])
    with pytest.raises(InputError, match=f"--hold-out: no scene is called {name}"):
        split_scenes(scenes, (name,))
    recipe = replace(RECIPES["tonefuse"], steps=1, epochs=1)
    job = Job(recipe=recipe, data=(tmp_path,), out=tmp_path / "w.npz", checkpoint=tmp_path / "ck")
    refused = f"scenes to train on: {name}, expected none of those for validation"
    with pytest.raises(InputError, match=refused):
        fit(job, scenes)
    with pytest.raises(InputError, match=refused):
        train_mef("mefnet", scenes, NETWORKS["mefnet"].schedule, 1)


def test_a_scene_for_validation_is_known_by_where_it_lies_not_by_how_it_is_given(tmp_path):
    write_scene(tmp_path / "merianos" / "OldHouse")
    write_scene(tmp_path / "others" / "OldHouse")
    (tmp_path / "linked").symlink_to(tmp_path / "merianos")
    found = {
        folder: [scene.for_validation for scene in read_scenes(tmp_path / folder)]
        for folder in ("merianos", "linked", "others")
    }
    assert found == {"merianos": [True], "linked": [True], "others": [False]}
