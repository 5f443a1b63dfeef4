"""The 27 product types of Rakuten France.

The challenge publishes the codes alone (https://challengedata.ens.fr/challenges/35); the names describe the
classes, in the words of the marketplace's own departments.
"""

from types import MappingProxyType

PRODUCT_TYPES = MappingProxyType(
    {
        10: "Livres d'occasion",
        40: "Jeux vidéo importés et rétro",
        50: "Accessoires de jeux vidéo",
        60: "Consoles de jeux",
        1140: "Figurines et produits dérivés",
        1160: "Cartes à collectionner",
        1180: "Jeux de rôle et figurines à peindre",
        1280: "Jouets pour enfants",
        1281: "Jeux de société",
        1300: "Modélisme et drones",
        1301: "Vêtements et accessoires de bébé",
        1302: "Jeux et loisirs de plein air",
        1320: "Puériculture",
        1560: "Mobilier et literie",
        1920: "Linge de maison et coussins",
        1940: "Épicerie et boissons",
        2060: "Décoration de la maison",
        2220: "Animalerie",
        2280: "Journaux et revues anciennes",
        2403: "Lots de livres et bandes dessinées",
        2462: "Lots de jeux vidéo et consoles",
        2522: "Papeterie et fournitures de bureau",
        2582: "Mobilier et aménagement de jardin",
        2583: "Piscines et accessoires",
        2585: "Bricolage et outillage de jardin",
        2705: "Livres neufs",
        2905: "Jeux vidéo à télécharger",
    }
)
CODES = tuple(PRODUCT_TYPES)
_CLASS_OF = {code: index for index, code in enumerate(CODES)}


def name_of(code: int) -> str:
    """Return the product type's name; raises `KeyError` for a code outside the 27."""
    return PRODUCT_TYPES[code]


def class_of(code: int) -> int:
    """Return the code's index in `CODES`, the model's class; raises `KeyError` for a code outside the 27."""
    return _CLASS_OF[code]
