"""The protected set: items that judge every challenger, and that only the operator chooses (`CATALOG_PROTECTED_SET`).

Its form is that of the challenge's training files: texts, labels and a folder of pictures. No request names it, and no
stage but the gate reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from shared.model.images import UnreadableImageError, decode
from shared.model.known import KnownItems
from shared.taxonomy import CODES, class_of
from shared.words import words
from training.catalogue.challenge import LABELS_FILE, PRODUCTS_FILE, CatalogueError, Source, parse_integer
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.product import Product
from training.pipeline.prepared import Items
from training.pipeline.splits import identify

_CODE_OF = {str(code): code for code in CODES}


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


def read_protected(source: str, folder: Path) -> ProtectedSet:
    """Read the set and write `products.parquet` and `pictures.parquet` into `folder`.

    A row without a picture's file is an item without a picture. Raises `CatalogueError` if anything else is missing or
    wrong, or two rows contradict each other: what judges must be right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = Source(source)
    with PictureWriter(folder / "pictures.parquet") as pictures:
        products = list(_products(catalogue, pictures))
    if not products:
        raise CatalogueError(f"{PRODUCTS_FILE} has no row.")
    texts = [" ".join(words(product.designation, product.description)) for product in products]
    table = pd.DataFrame(
        {
            "row": [product.row for product in products],
            "designation": [product.designation for product in products],
            "picture": [product.picture for product in products],
        }
    )
    table.to_parquet(folder / "products.parquet", index=False)
    items = Items(
        rows=table["row"].to_numpy(),
        identities=identify(texts, table["picture"]),
        words=[text.split() for text in texts],
        features=np.where(table["picture"].isna(), np.nan, 0).astype(np.float16)[:, None],
        classes=np.array([class_of(product.prdtypecode) for product in products], np.int64),
    )
    content = np.stack([items.identities, items.classes.astype(np.uint64)])
    return ProtectedSet(_distinct(items), folder, sha256(content.tobytes()).hexdigest()[:8])


def _products(catalogue: Source, pictures: PictureWriter) -> Iterator[Product]:
    try:
        texts = catalogue.read_table(PRODUCTS_FILE, ("designation", "description", "productid", "imageid"))
        labels = catalogue.read_table(LABELS_FILE, ("prdtypecode",))
    except FileNotFoundError as error:
        raise CatalogueError(str(error)) from None
    for row, (designation, description, productid, imageid) in texts.items():
        where = f"{PRODUCTS_FILE}, row {row}"
        code = _CODE_OF.get(labels.get(row, [""])[0].strip().removesuffix(".0"))
        if code is None:
            raise CatalogueError(f"{LABELS_FILE}, row {row}: the label is missing or is not one of the 27 codes.")
        product = Product(
            row=row,
            designation=designation if designation.strip() else None,
            description=description if description.strip() else None,
            productid=parse_integer(productid, f"{where}, productid"),
            imageid=parse_integer(imageid, f"{where}, imageid"),
            prdtypecode=code,
        )
        product = _illustrated(product, catalogue, pictures)
        if product.empty:
            raise CatalogueError(f"{where}: it has neither a text nor a picture.")
        yield product


def _illustrated(product: Product, catalogue: Source, pictures: PictureWriter) -> Product:
    try:
        data = catalogue.read(product.picture_file)
        decode(data)
    except FileNotFoundError:
        return product
    except UnreadableImageError as error:
        raise CatalogueError(f"{product.picture_file} cannot be decoded: {error}.") from error
    picture = Picture(sha256(data).hexdigest(), data)
    pictures.add(picture)
    return replace(product, picture=picture.sha256)


def _distinct(items: Items) -> Items:
    """Return each item once; raise `CatalogueError` where copies have different labels."""
    table = pd.DataFrame({"identity": items.identities, "code": items.classes, "row": items.rows})
    labels = table.groupby("identity")["code"].nunique()
    if (labels > 1).any():
        rows = table.loc[table["identity"] == labels.idxmax(), "row"].tolist()
        raise CatalogueError(f"{LABELS_FILE}: rows {', '.join(map(str, rows))} are one item with different labels.")
    return items.where(~table["identity"].duplicated().to_numpy())
