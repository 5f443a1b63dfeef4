"""The protected set: items that judge every challenger, and that only the operator chooses (`CATALOG_PROTECTED_SET`).

Its form is that of any source: a table of products with their pictures, or the challenge's training files. No request
names it, and no stage but the gate reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from shared.model.images import UnreadableImageError, decode
from shared.model.known import KnownItems
from shared.words import words
from training.catalogue.entries import CatalogueSource
from training.catalogue.errors import CatalogueError
from training.catalogue.labelling import Labelling
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.product import Product
from training.catalogue.sources import open_source
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items
from training.pipeline.splits import identify


@dataclass(frozen=True)
class ProtectedSet:
    """The items, and the folder that holds their titles and pictures as `import_data` leaves them."""

    items: Items
    """Not yet seen by any VGG16: of the features one column is there, which tells who has a picture."""
    folder: Path
    name: str
    """Eight hex digits of the content: two verdicts with the same name were found on the same items."""

    def unlearned(self, *known: KnownItems | None) -> Items:
        """Return the items that none of these trainings has learned from."""
        learned = [of.identities[of.learned] for of in known if of is not None]
        return self.items.where(~np.isin(self.items.identities, np.concatenate([*learned, np.empty(0, np.uint64)])))


def read_protected(source: str, folder: Path, categories: Categories) -> ProtectedSet:
    """Read the set and write `products.parquet` and `pictures.parquet` into `folder`.

    Args:
        categories: Those of the training that is judged, one of which each row is labelled with.

    A row whose picture is not there is an item without a picture. Raises `CatalogueError` if anything else is missing
    or wrong, or two rows contradict each other: what judges must be right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = open_source(source)
    with PictureWriter(folder / "pictures.parquet") as pictures:
        products = list(_products(catalogue, pictures, categories))
    if not products:
        raise CatalogueError(f"{catalogue.shown} has no row.")
    texts = [" ".join(words(product.title, product.description)) for product in products]
    table = pd.DataFrame(
        {
            "row": [product.row for product in products],
            "title": [product.title for product in products],
            "picture": [product.picture for product in products],
        }
    )
    table.to_parquet(folder / "products.parquet", index=False)
    items = Items(
        rows=table["row"].to_numpy(),
        identities=identify(texts, table["picture"]),
        words=[text.split() for text in texts],
        features=np.where(table["picture"].isna(), np.nan, 0).astype(np.float16)[:, None],
        classes=categories.classes(product.category for product in products),
        categories=categories,
    )
    codes = "\n".join(product.category for product in products)  # not the classes, whose order is the training's
    return ProtectedSet(_distinct(items), folder, sha256(items.identities.tobytes() + codes.encode()).hexdigest()[:8])


def _products(catalogue: CatalogueSource, pictures: PictureWriter, categories: Categories) -> Iterator[Product]:
    labelling = Labelling(categories.taxonomy)
    for entry in catalogue.entries():
        where = f"{catalogue.shown}, row {entry.row}"
        code = labelling.code_of(entry.label)
        if not isinstance(code, str) or code not in categories.class_of:
            raise CatalogueError(f"{where}: the label is missing or is no category that this training knows.")
        product = Product(entry.row, entry.id, entry.title, entry.description, code, picture_file=entry.picture)
        product = _illustrated(product, catalogue, pictures, where)
        if product.empty:
            raise CatalogueError(f"{where}: it has neither a text nor a picture.")
        yield product


def _illustrated(product: Product, catalogue: CatalogueSource, pictures: PictureWriter, where: str) -> Product:
    if product.picture_file is None:
        return product
    try:
        data = catalogue.picture(product.picture_file)
        decode(data)
    except FileNotFoundError:
        return product
    except UnreadableImageError as error:
        raise CatalogueError(f"{where}: its picture cannot be decoded: {error}.") from error
    picture = Picture(sha256(data).hexdigest(), data)
    pictures.add(picture)
    return replace(product, picture=picture.sha256)


def _distinct(items: Items) -> Items:
    """Return each item once; raise `CatalogueError` where copies have different labels."""
    table = pd.DataFrame({"identity": items.identities, "code": items.classes, "row": items.rows})
    labels = table.groupby("identity")["code"].nunique()
    if (labels > 1).any():
        rows = table.loc[table["identity"] == labels.idxmax(), "row"].tolist()
        raise CatalogueError(
            f"The protected set's rows {', '.join(map(str, rows))} are one item with different labels."
        )
    return items.where(~table["identity"].duplicated().to_numpy())
