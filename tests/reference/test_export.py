import numpy as np
import pytest

pytest.importorskip("keras")

from reference.export import export_arrays, import_arrays, save_npz
from reference.keras_models import DECODERS, lightfuse, t_cnn

BUILDS = [lambda d=d: lightfuse(hidden=(8, 4), decoder=d) for d in DECODERS] + [lambda: t_cnn(hidden=(8, 4))]
BUILD_IDS = [*DECODERS, "t_cnn"]


def numbered(model):
    """Give every weight of the model another value, so that none can be mistaken for another."""
    start = 0
    for variable in model.weights:
        count = int(np.prod(variable.shape))
        variable.assign(np.arange(start, start + count, dtype=np.float32).reshape(variable.shape))
        start += count
    return model


def test_lightfuse_arrays_have_npfuses_names_and_shapes():
    shapes = {name: array.shape for name, array in export_arrays(lightfuse(hidden=(8, 4))).items()}
    assert shapes == {
        "detail1/kernel": (6, 8),
        "detail1/bias": (8,),
        "detail2/kernel": (8, 4),
        "detail2/bias": (4,),
        "detail3/kernel": (4, 3),
        "detail3/bias": (3,),
        "global1/kernel": (3, 3, 6),
        "global1/bias": (6,),
        "global2/kernel": (3, 3, 6),
        "global2/bias": (6,),
        "global3_depthwise/kernel": (3, 3, 6),
        "global3_pointwise/kernel": (6, 3),
        "global3_pointwise/bias": (3,),
    }


def test_transposed_decoder_adds_up1_to_up3():
    plain = export_arrays(lightfuse(hidden=(8, 4)))
    arrays = export_arrays(lightfuse(hidden=(8, 4), decoder="transposed"))
    added = {name: array.shape for name, array in arrays.items() if name not in plain}
    assert added == {f"up{n}/{part}": shape for n in (1, 2, 3) for part, shape in
                     (("kernel", (4, 4, 3, 3)), ("bias", (3,)))}  # fmt: skip


def test_t_cnn_arrays_have_npfuses_names_and_shapes():
    shapes = {name: array.shape for name, array in export_arrays(t_cnn(hidden=(8, 4))).items()}
    assert shapes == {
        "conv1_depthwise/kernel": (3, 3, 6),
        "conv1_pointwise/kernel": (6, 8),
        "conv1_pointwise/bias": (8,),
        "conv2_depthwise/kernel": (3, 3, 8),
        "conv2_pointwise/kernel": (8, 4),
        "conv2_pointwise/bias": (4,),
        "conv3_depthwise/kernel": (3, 3, 4),
        "conv3_pointwise/kernel": (4, 3),
        "conv3_pointwise/bias": (3,),
    }


def test_each_value_stays_where_keras_has_it():
    model = numbered(lightfuse(hidden=(8, 4)))
    arrays = export_arrays(model)
    kernel = np.asarray(model.get_layer("global1").kernel)
    assert arrays["global1/kernel"][0, 2, 5] == kernel[0, 2, 5, 0]
    assert arrays["detail2/kernel"][7, 1] == np.asarray(model.get_layer("detail2").kernel)[0, 0, 7, 1]
    separable = model.get_layer("global3")
    assert arrays["global3_depthwise/kernel"][2, 0, 4] == np.asarray(separable.depthwise_kernel)[2, 0, 4, 0]
    assert arrays["global3_pointwise/kernel"][5, 1] == np.asarray(separable.pointwise_kernel)[0, 0, 5, 1]


@pytest.mark.parametrize("build", BUILDS, ids=BUILD_IDS)
def test_all_parameters_are_exported_once(build):
    model = numbered(build())
    arrays = export_arrays(model)
    values = np.concatenate([array.ravel() for array in arrays.values()])
    assert sorted(values) == list(range(model.count_params()))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("build", BUILDS, ids=BUILD_IDS)
def test_import_undoes_export(build):
    arrays = export_arrays(numbered(build()))
    other = build()
    import_arrays(other, arrays)
    again = export_arrays(other)
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_exported_arrays_do_not_follow_the_model():
    model = numbered(lightfuse(hidden=(8, 4)))
    arrays = export_arrays(model)
    before = arrays["detail1/bias"].copy()
    model.get_layer("detail1").bias.assign(before + 1)
    np.testing.assert_array_equal(arrays["detail1/bias"], before)


def test_import_names_a_missing_array():
    model = lightfuse(hidden=(8, 4))
    arrays = export_arrays(model)
    del arrays["global2/bias"]
    with pytest.raises(ValueError, match=r"lightfuse: the arrays lack global2/bias"):
        import_arrays(model, arrays)


def test_import_names_a_left_over_array():
    model = lightfuse(hidden=(8, 4))
    arrays = export_arrays(model) | {"detail9/bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"lightfuse: the arrays detail9/bias belong to no layer"):
        import_arrays(model, arrays)


def test_import_rejects_another_shape_and_changes_nothing():
    model = numbered(lightfuse(hidden=(8, 4)))
    arrays = {name: array + 1 for name, array in export_arrays(model).items()}
    arrays["global3_pointwise/kernel"] = arrays["global3_pointwise/kernel"].T
    before = export_arrays(model)
    with pytest.raises(ValueError, match=r"lightfuse: global3_pointwise/kernel is \(3, 6\), expected \(6, 3\)"):
        import_arrays(model, arrays)
    after = export_arrays(model)
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_export_rejects_a_layer_it_has_no_layout_for():
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, name="head")], name="other")
    with pytest.raises(ValueError, match="other: layer head is a Dense, which has no npfuse layout"):
        export_arrays(model)


def test_save_npz_writes_a_file_npfuse_reads_back(tmp_path):
    from npfuse.weights.loading import load_weights

    model = numbered(lightfuse(hidden=(8, 4)))
    path = tmp_path / "made.npz"
    save_npz(path, model, build={"hidden": [8, 4], "decoder": "nearest"}, source="made up")
    weights = load_weights(path)
    assert weights.model == "lightfuse"
    assert list(weights.build["hidden"]) == [8, 4]
    assert weights.normalization == "full_range"
    assert weights.source == "made up"
    arrays = export_arrays(model)
    assert weights.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights.arrays[name], array, err_msg=name)
