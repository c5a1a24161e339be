"""The images and audio kinds: folders of files with their targets, and the steps to arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from ovquant.errors import DataError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.audio import Audio, resample
from ovquant.plugins.datasets.images import Images
from ovquant.plugins.datasets.preprocessing import Preprocessing, read_toml

RED = (255, 0, 51)


def save_image(path: Path, color: Any = RED, size: tuple[int, int] = (4, 2), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def save_sound(path: Path, sound: np.ndarray | None = None, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(10, np.float32) if sound is None else sound, rate, subtype="FLOAT")
    return path


def array_of(dataset: Any, index: int = 0) -> np.ndarray:
    inputs = dataset[index].inputs
    assert isinstance(inputs, np.ndarray)
    return inputs


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    for name in ("dog/2.png", "cat/1.jpg", "cat/deep/0.PNG", ".hidden/3.png"):
        save_image(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").touch()
    return tmp_path


def test_class_folders(classes: Path) -> None:
    data = open_dataset(classes)
    assert [data[index].target for index in range(len(data))] == [0, 0, 1]
    assert array_of(data).shape == (3, 2, 4)
    assert array_of(data).dtype == np.float32


def test_classes_give_the_order(classes: Path) -> None:
    data = Images(classes, classes=("dog", "bird", "cat"))
    assert [data[index].target for index in range(3)] == [2, 2, 0]
    with pytest.raises(DataError, match="'dog' .*none of the classes cat"):
        Images(classes, classes=("cat",))


def test_empty_class_folder_is_refused(classes: Path) -> None:
    (classes / "bird").mkdir()
    with pytest.raises(DataError, match="folder 'bird' .*holds no files"):
        Images(classes)
    assert len(Images(classes, classes=("bird", "cat", "dog"))) == 3


def test_files_and_folders_together_are_refused(classes: Path) -> None:
    save_image(classes / "loose.png")
    with pytest.raises(DataError, match="loose.png.*cat"):
        Images(classes)


def test_images_alone_have_no_targets(tmp_path: Path) -> None:
    save_image(tmp_path / "b.png")
    save_image(tmp_path / "a.png", (0, 0, 0))
    data = open_dataset(tmp_path)
    assert (len(data), data[0].target, array_of(data).max()) == (2, None, 0)


def test_csv_gives_order_and_numbers(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "deep" / "b.png", (0, 0, 0))
    (tmp_path / "list.csv").write_text("file,target\ndeep/b.png,7\na.png,-1.5\n")
    data = open_dataset(tmp_path)
    assert [data[0].target, data[1].target] == [7, -1.5]
    assert array_of(data).max() == 0


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({}, ["word", "12"]),
        ({"target_type": "class"}, [1, 0]),
        ({"classes": ("word", "12")}, [0, 1]),
    ],
)
def test_csv_texts(tmp_path: Path, options: dict[str, Any], targets: list[Any]) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("file,target\na.png,word\na.png,12\n")
    data = Images(tmp_path, **options)
    assert [data[0].target, data[1].target] == targets


def test_digits_stay_text_when_asked(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("file,target\na.png,007\n")
    assert Images(tmp_path)[0].target == 7
    assert Images(tmp_path, target_type="text")[0].target == "007"


def test_target_that_is_no_number_is_named(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("file,target\na.png,12\na.png,x\n")
    with pytest.raises(DataError, match="'x' of .*list.csv' is not a number"):
        Images(tmp_path, target_type="number")


def test_csv_is_chosen_and_missing(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"file,target\na.png,{name}\n")
    with pytest.raises(DataError, match=r"one.csv, two.csv.*targets=NAME"):
        Images(tmp_path)
    assert Images(tmp_path, targets="two.csv")[0].target == "two"
    assert Images(tmp_path, targets=str(tmp_path / "one.csv"))[0].target == "one"
    with pytest.raises(DataError, match="'three.csv' is neither"):
        Images(tmp_path, targets="three.csv")


def test_csv_that_names_a_missing_file(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("file,target\na.png,1\nb.png,2\n")
    with pytest.raises(DataError, match="Row 1 of .*list.csv' names the file 'b.png'"):
        Images(tmp_path)


def test_csv_without_file_column(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("name,target\na.png,1\n")
    with pytest.raises(DataError, match="no column 'file'; its columns: name, target"):
        Images(tmp_path)


def test_folder_without_images_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        Images(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Images(tmp_path / "absent")


def test_corrupt_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello")
    save_image(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:-30])
    data = Images(tmp_path)
    for index, name in enumerate(["a.png", "b.png"]):
        with pytest.raises(DataError, match=f"{name}' cannot be read"):
            data[index]


def test_deep_image_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40_000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="a.png' cannot be used: .*8 bits"):
        Images(tmp_path)[0]


def pixels(path: Path, **options: Any) -> np.ndarray:
    return array_of(Images(path, **options))


def test_colors_and_layouts(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    np.testing.assert_allclose(pixels(tmp_path)[:, 0, 0], [1, 0, 0.2], atol=1e-6)
    np.testing.assert_allclose(pixels(tmp_path, color="bgr", layout="nhwc")[0, 0], [0.2, 0, 1], atol=1e-6)
    assert pixels(tmp_path, color="gray").shape == (1, 2, 4)
    raw = pixels(tmp_path, dtype="uint8", layout="nhwc")
    assert (raw.dtype, raw[0, 0].tolist()) == (np.uint8, [255, 0, 51])


def test_normalization(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    found = pixels(tmp_path, scale=1.0, mean=(127.5,), std=(127.5, 1.0, 2.0))
    np.testing.assert_allclose(found[:, 0, 0], [1, -127.5, -38.25], atol=1e-5)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_transparent_palette_and_gray_alpha(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 2))
    palette.putpalette([10, 20, 30])
    palette.save(tmp_path / "a.png", transparency=b"\x00")
    save_image(tmp_path / "b.png", (9, 255), mode="LA")
    data = Images(tmp_path, dtype="uint8")
    assert [array_of(data, index)[:, 0, 0].tolist() for index in range(2)] == [[10, 20, 30], [9, 9, 9]]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"size": (8,)}, (8, 8)),
        ({"size": (8, 6)}, (8, 6)),
        ({"resize": 6}, (6, 13)),
        ({"resize": 6, "crop": (5,)}, (5, 5)),
        ({"resize": 6, "crop": (5, 11)}, (5, 11)),
        ({"size": (16, 16), "fit": "letterbox"}, (16, 16)),
    ],
)
def test_sizes(tmp_path: Path, options: dict[str, Any], shape: tuple[int, int]) -> None:
    save_image(tmp_path / "a.png", size=(40, 18))
    assert pixels(tmp_path, **options).shape == (3, *shape)


def test_shorter_side_is_exact(tmp_path: Path) -> None:
    for width in range(1, 60):
        image = Preprocessing(resize=47).apply(Image.new("RGB", (width, 29)))
        assert min(image.shape[1:]) == 47


def test_letterbox_keeps_the_aspect(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", (255, 255, 255), size=(40, 20))
    found = pixels(tmp_path, size=(8, 8), fit="letterbox", dtype="uint8")[0]
    assert found[:, 0].tolist() == [114, 114, 255, 255, 255, 255, 114, 114]


def test_crop_takes_the_centre(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(10, dtype=np.uint8)[None, :, None], 3, 2)
    Image.fromarray(np.repeat(ramp, 4, 0)).save(tmp_path / "a.png")
    assert pixels(tmp_path, crop=(2, 4), dtype="uint8")[0].tolist() == [[3, 4, 5, 6]] * 2


def test_crop_larger_than_the_image_is_named(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="a.png' cannot be used: The crop of 5x5"):
        pixels(tmp_path, crop=(5,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": 3, "size": (3,)}, "Give one of them"),
        ({"size": (1, 2, 3)}, "height;width"),
        ({"crop": (0,)}, "1 or more"),
        ({"dtype": "uint8", "mean": (1.0,)}, "uint8 passes pixels"),
        ({"mean": (1.0, 2.0)}, "one number or 3"),
        ({"color": "gray", "std": (1.0, 2.0, 3.0)}, "one number or 1"),
        ({"std": (0.0,)}, "cannot be 0"),
        ({"fill": 256}, "0 to 255"),
    ],
)
def test_steps_that_exclude_each_other(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    save_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=message):
        Images(tmp_path, **options)


def test_options_as_text_win_over_the_file(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    (tmp_path / "preprocessing.toml").write_text('size = [6, 8]\nscale = 1\nmean = 255.0\ncolor = "gray"\n')
    assert pixels(tmp_path).shape == (1, 6, 8)
    found = array_of(open_dataset(f"{tmp_path}:size=3;5,color=rgb,std=0.5;1;1"))
    assert found.shape == (3, 3, 5)
    np.testing.assert_allclose(found[:, 0, 0], [0, -255, -204], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 'rgb'", "unknown key 'colour'. The keys: color, resize, size"),
        ("color = 'cmyk'", "color is 'cmyk'; choose one of rgb, bgr, gray"),
        ("size = '224'", "size is '224', which is not a valid int"),
        ("mean = [true]", "mean is True"),
        ("size = [", "cannot be read as TOML"),
    ],
)
def test_preprocessing_file_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "preprocessing.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_toml(tmp_path / "preprocessing.toml")


def test_unknown_option_lists_the_options(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png")
    with pytest.raises(UsageError, match="no option 'colour'.*color"):
        open_dataset(f"{tmp_path}:colour=rgb")


def test_sounds_with_transcripts(tmp_path: Path) -> None:
    save_sound(tmp_path / "a.wav", np.array([[0.5, 0.25], [-1, 1]], np.float32))
    (tmp_path / "list.csv").write_text("file,target\na.wav,hello world\n")
    data = open_dataset(tmp_path)
    assert (array_of(data).tolist(), array_of(data).dtype) == ([0.375, 0], np.float32)
    assert data[0].target == "hello world"


def test_sounds_in_class_folders(tmp_path: Path) -> None:
    save_sound(tmp_path / "yes" / "a.wav")
    save_sound(tmp_path / "no" / "a.flac".replace("flac", "wav"))
    data = Audio(tmp_path)
    assert [data[0].target, data[1].target] == [0, 1]


def test_resampling_keeps_the_tone() -> None:
    def tone(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    found = resample(tone(44_100), 44_100, 16_000)
    assert (len(found), found.dtype) == (16_000, np.float32)
    np.testing.assert_allclose(found[500:-500], tone(16_000)[500:-500], atol=2e-3)


def test_length_crops_and_pads(tmp_path: Path) -> None:
    save_sound(tmp_path / "a.wav", np.full(10, 0.5, np.float32))
    assert array_of(Audio(tmp_path, length=4)).tolist() == [0.5] * 4
    assert array_of(Audio(tmp_path, length=12)).tolist() == [0.5] * 10 + [0, 0]
    assert len(array_of(open_dataset(f"{tmp_path}:rate=16000"))) == 20


def test_sounds_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"hello")
    save_sound(tmp_path / "b.wav", np.zeros(0, np.float32))
    data = Audio(tmp_path)
    with pytest.raises(DataError, match="a.wav' cannot be read"):
        data[0]
    with pytest.raises(DataError, match="b.wav' has no samples"):
        data[1]
    with pytest.raises(UsageError, match="rate=-1"):
        Audio(tmp_path, rate=-1)


def test_folder_of_both_kinds_is_ambiguous(tmp_path: Path) -> None:
    save_sound(tmp_path / "a.wav")
    save_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="several kinds of data: audio, images"):
        open_dataset(tmp_path)
    assert len(open_dataset(f"audio:path={tmp_path}")) == 1
